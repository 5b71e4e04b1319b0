"""The terms negotiated by client and server, and the client's properties (AMQP 0-9-1 §1.4.2)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from batonmq.protocols.sessions.introductions import bounded

if TYPE_CHECKING:
    from collections.abc import Mapping

    from batonmq.fields import FieldValue

# Clients that count on basic.qos (global=false) to reach consumers that are there already, as §1.8.3.1 has it and
# RabbitMQ has not: kombu, on which Celery stands, raises the prefetch for each task that waits for its time, and asks
# for RabbitMQ's other way (global=true) only where the product is RabbitMQ 3. It comes over py-amqp.
COUNT_ON_LATER_PREFETCH = ("py-amqp",)


@dataclass(frozen=True, slots=True)
class Client:
    """The client properties of connection.start-ok, as far as they matter."""

    product: str = ""
    """The product with its version; for the log."""
    name: str = ""
    """The client's name for the connection."""
    wants_cancel_notify: bool = False
    """Does it want basic.cancel when a queue that it consumes from is deleted?"""
    wants_blocked: bool = False
    """Does it want connection.blocked when the store takes no messages?"""
    wants_close_on_refusal: bool = False
    """Does it want connection.close when its log-in is refused?"""
    counts_on_later_prefetch: bool = False
    """Does a changed prefetch (global=false) also apply to existing consumers?"""
    properties: Mapping[str, FieldValue] = field(default_factory=dict)
    """All client properties, cut to a bounded size."""


@dataclass(frozen=True, slots=True)
class Terms:
    """The result of connection.tune-ok."""

    channel_max: int
    """How many channels may be open at once."""
    frame_max: int
    """Octets of the largest frame, its 8 octets of framing included; 0: no limit."""
    heartbeat: int
    """The heartbeat interval in seconds; 0: none."""


def client_of(properties: Mapping[str, FieldValue]) -> Client:
    """Read the client properties; values of a wrong type count as absent."""
    said = properties.get("capabilities")
    capabilities = said if isinstance(said, dict) else {}
    product, name = properties.get("product"), properties.get("connection_name")
    version = properties.get("version", properties.get("product_version"))
    return Client(
        product=" ".join(part for part in (product, version) if isinstance(part, str)),
        name=name if isinstance(name, str) else "",
        wants_cancel_notify=capabilities.get("consumer_cancel_notify") is True,
        wants_blocked=capabilities.get("connection.blocked") is True,
        wants_close_on_refusal=capabilities.get("authentication_failure_close") is True,
        counts_on_later_prefetch=product in COUNT_ON_LATER_PREFETCH,
        properties=bounded(properties),
    )
