"""Messages between kombu and the queues, with AMQP's properties and headers, so that any client can read them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from kombu.message import Message as KombuMessage

from batonmq.engines.messages import Message, received_message
from batonmq.engines.values import Incoming
from batonmq.properties import Properties

__all__ = ["Outgoing", "Received", "delay_of", "incoming_arguments", "outgoing_message", "without_delay"]

DELAY = "x-delay"
# The longest delay of a message. One that is due later comes when this is over, and the worker waits for the rest.
DELAY_MAX = 365 * 86400.0
# Those of kombu's properties that AMQP has; the others are kombu's own.
CARRIED = frozenset(
    {"correlation_id", "reply_to", "expiration", "message_id", "timestamp", "type", "user_id", "app_id", "cluster_id"}
)
TRANSIENT = 1


class Outgoing(NamedTuple):
    """A message that kombu has prepared but not sent yet."""

    body: str | bytes
    priority: int | None
    content_type: str | None
    content_encoding: str | None
    headers: dict[str, Any]
    properties: dict[str, Any]

    @property
    def is_transient(self) -> bool:
        """May the message be lost in a power failure?"""
        return self.properties.get("delivery_mode") in (TRANSIENT, str(TRANSIENT), "transient")


class Received(KombuMessage):
    """A message that was delivered to a consumer."""


def delay_of(headers: Mapping[str, Any]) -> float:
    """Seconds to delay a message, until its task's ``eta``; 0: no delay.

    An ``eta`` without a time zone is left to the worker, which knows the application's zone.
    """
    eta = headers.get("eta")
    if not isinstance(eta, str):
        return 0.0
    try:
        due = datetime.fromisoformat(eta)
    except ValueError:
        return 0.0
    if due.tzinfo is None:
        return 0.0
    return min(DELAY_MAX, max(0.0, (due - datetime.now(UTC)).total_seconds()))


def without_delay(headers: dict[str, Any]) -> dict[str, Any]:
    """The headers of a received message, without its delay: a task that is sent again with them does not wait again."""
    headers.pop(DELAY, None)
    return headers


def outgoing_message(outgoing: Outgoing) -> Message:
    """A message for a file: it survives the end of any process, whatever its delivery mode.

    Raises TypeError, ValueError.
    """
    headers, properties = outgoing.headers, outgoing.properties
    carried: dict[str, Any] = {
        name: value if name == "timestamp" else str(value)
        for name, value in properties.items()
        if name in CARRIED and value is not None
    }
    made = Properties.make(
        content_type=outgoing.content_type,
        content_encoding=outgoing.content_encoding,
        headers=headers or None,
        delivery_mode=2,
        priority=None if outgoing.priority is None else _octet(outgoing.priority),
        **carried,
    )
    body = outgoing.body.encode() if isinstance(outgoing.body, str) else bytes(outgoing.body)
    return received_message(body, made, delay_of(headers))


def _octet(priority: object) -> int:
    """A priority in the range that AMQP has. Raises TypeError."""
    if not isinstance(priority, int):
        raise TypeError(f"priority is a whole number, not {priority!r}")
    return max(0, min(255, priority))


def incoming_arguments(incoming: Incoming, queue: str, tag: int, consumer: str | None) -> dict[str, Any]:
    """The parts from which kombu builds a message."""
    message = incoming.message
    properties = message.properties
    exchange, key = incoming.origin or ("", queue)
    info = {
        "delivery_tag": tag,
        "redelivered": incoming.redelivered,
        "exchange": exchange,
        "routing_key": key,
        "consumer_tag": consumer,
    }
    found = {name: value for name in sorted(CARRIED) if (value := getattr(properties, name)) is not None}
    found["delivery_mode"] = properties.delivery_mode
    if properties.has_priority:
        found["priority"] = properties.priority
    return {
        "body": message.body,
        "delivery_tag": tag,
        "content_type": properties.content_type,
        "content_encoding": properties.content_encoding,
        "delivery_info": info,
        "properties": found,
        "headers": without_delay(message.headers),
    }
