"""Dialects: how brokers differ where AMQP 1.0 leaves things open, above all in addresses. Each listener has one.

``spec`` takes the addresses of all of them, where they do not collide. docs/amqp-1-0.md has the same table.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from batonmq.protocols.sessions.customs import NO_CUSTOMS, OF_ACTIVEMQ, OF_ARTEMIS, Customs

__all__ = ["ACTIVEMQ", "ARTEMIS", "DIALECTS", "RABBITMQ", "SPEC", "Dialect"]


@dataclass(frozen=True, slots=True)
class Dialect:
    """The behaviour of one kind of broker. The defaults are those of ``spec``."""

    name: str

    # Opening.
    product: str = "RabbitMQ"
    """The product that clients are told: RabbitMQ's refuse any other, or older versions; other clients ignore it."""
    version: str = "4.2.0"
    queue_prefix: str = ""
    """The prefix that Qpid JMS adds to the names of queues; "": none."""
    topic_prefix: str = "topic://"
    """The same for topics: in a message's address, which has no capability, only this marks one (anonterm-v1.0)."""

    # Addresses.
    has_rabbitmq_addresses: bool = True
    """Are ``/queues/q``, ``/exchanges/e/k``, and older ones like ``/queue/q``, addresses, not names with slashes?"""
    has_schemes: bool = True
    """Are ``queue://``, ``topic://``, ``temp-queue://`` and ``temp-topic://`` prefixes?"""
    has_escaped_names: bool = False
    """Are bare names %-escaped?"""
    has_qualified_names: bool = True
    """Is ``ADDRESS::QUEUE`` that queue, which gets copies of the messages to the topic ADDRESS?"""
    has_undecided_names: bool = False
    """Is a bare name without a capability a topic, if that has subscribers and there is no such queue?"""
    has_composites: bool = False
    """Does the broker take ``a,b`` for two queues, and ``a.*`` for all matches? Then both are refused here."""
    subscribes_to_exchanges: bool = True
    """Can a source be ``/exchanges/e/k``?"""

    # Messages.
    is_durable_unsaid: bool = False
    """Is a message without a durable field durable? By default of the specification it is not."""
    encodes_values: bool = False
    """Do other protocols get an amqp-value that is a string or binary as an encoded section, not as plain octets?"""

    # Nodes.
    has_capabilities: bool = True
    """Does a terminus name the kind of its address by capabilities such as ``queue`` and ``topic``?"""
    customs: Customs = NO_CUSTOMS
    """The customs for queues declared here."""
    temporary_queue: str = "/queues/"
    """The prefix of a temporary queue's name in its address."""
    temporary_topic: str = "topic://"
    """The same for a temporary topic; "-": there are none."""
    has_rabbitmq_to: bool = False
    """Over an anonymous link, is a message with a malformed address, or none, refused with precondition-failed, and one
    for a missing queue released? Otherwise it is rejected like a link to that address (anonterm-v1.0)."""


SPEC: Final = Dialect("spec")

RABBITMQ: Final = Dialect(
    "rabbitmq",
    topic_prefix="",
    has_schemes=False,
    has_escaped_names=True,
    has_qualified_names=False,
    subscribes_to_exchanges=False,
    is_durable_unsaid=True,
    encodes_values=True,
    has_capabilities=False,
    temporary_topic="-",
    has_rabbitmq_to=True,
)

ACTIVEMQ: Final = Dialect(
    "activemq",
    product="ActiveMQ",
    version="6.1.0",
    queue_prefix="queue://",
    has_rabbitmq_addresses=False,
    has_qualified_names=False,
    has_composites=True,
    customs=OF_ACTIVEMQ,
    temporary_queue="temp-queue://",
    temporary_topic="temp-topic://",
)

ARTEMIS: Final = Dialect(
    "artemis",
    product="apache-activemq-artemis",
    version="2.40.0",
    has_rabbitmq_addresses=False,
    has_undecided_names=True,
    customs=OF_ARTEMIS,
    temporary_queue="",
    temporary_topic="",
)

DIALECTS: Final[dict[str, Dialect]] = {dialect.name: dialect for dialect in (SPEC, RABBITMQ, ACTIVEMQ, ARTEMIS)}
