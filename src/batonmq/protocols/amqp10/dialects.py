"""What brokers do differently where AMQP 1.0 leaves it open, above all in addresses: a listener speaks one of these.

``spec`` takes the addresses of all of them, where they do not collide. docs/amqp-1-0.md has the same table.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from batonmq.protocols.sessions.customs import NO_CUSTOMS, OF_ACTIVEMQ, OF_ARTEMIS, Customs

__all__ = ["ACTIVEMQ", "ARTEMIS", "DIALECTS", "RABBITMQ", "SPEC", "Dialect"]


@dataclass(frozen=True, slots=True)
class Dialect:
    """The answers of one kind of broker. The defaults are those of ``spec``."""

    name: str

    # Opening.
    product: str = "RabbitMQ"
    """What clients are told that this is: those of RabbitMQ refuse any other, and older ones, and no others look."""
    version: str = "4.2.0"
    queue_prefix: str = ""
    """What Qpid JMS shall put before the names of queues; "": nothing."""
    topic_prefix: str = "topic://"
    """The same for topics: without a capability only that tells one, in the address of a message (anonterm-v1.0)."""

    # Addresses.
    has_rabbitmq_addresses: bool = True
    """Are ``/queues/q``, ``/exchanges/e/k`` and the older ``/queue/q`` and so on addresses? Else names with slashes."""
    has_schemes: bool = True
    """Are ``queue://``, ``topic://``, ``temp-queue://`` and ``temp-topic://`` prefixes?"""
    has_escaped_names: bool = False
    """Are bare names %-escaped?"""
    has_qualified_names: bool = True
    """Is ``ADDRESS::QUEUE`` that queue, which gets a copy of what is sent to the topic ADDRESS?"""
    has_undecided_names: bool = False
    """Is a bare name that no capability tells about a topic, if that has subscribers and there is no such queue?"""
    has_composites: bool = False
    """Would ``a,b`` be two queues and ``a.*`` all that match? They are refused then."""
    subscribes_to_exchanges: bool = True
    """Can a source be ``/exchanges/e/k``?"""

    # Messages.
    is_durable_unsaid: bool = False
    """Is a message durable that does not say whether it is? The specification's default is that it is not."""
    encodes_values: bool = False
    """Do other protocols get a string or a binary that is the value of a message as a section, and not as it is?"""

    # Nodes.
    has_capabilities: bool = True
    """Does a terminus tell with ``queue``, ``topic`` and so on what its address is of?"""
    customs: Customs = NO_CUSTOMS
    """What is done unasked for queues that are made here."""
    temporary_queue: str = "/queues/"
    """The prefix of a temporary queue's name in its address."""
    temporary_topic: str = "topic://"
    """The same of a temporary topic; "-": there are none."""
    has_rabbitmq_to: bool = False
    """Is a message over an anonymous link for a malformed address, or none, refused with precondition-failed, and one
    for a queue that is not there released? Else it is rejected as a link to that address would be (anonterm-v1.0)."""


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
