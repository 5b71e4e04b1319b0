"""Adapts a message of one engine to another: what the other side cannot keep is dropped."""

from __future__ import annotations

from typing import Any, Final

from batonmq.engines.messages import Message, received_message
from batonmq.engines.values import Capabilities

__all__ = ["losses", "translated"]

# The delay in milliseconds, for BatonMQ and RabbitMQ's plugin for delayed messages.
DELAY: Final = "x-delay"


def losses(message: Message, can: Capabilities) -> list[str]:
    """The parts of a message that the other side cannot keep, in words."""
    lost = []
    if message.ttl is not None and not can.ttl:
        lost.append("time to live")
    if message.priority and not can.priority:
        lost.append("priority")
    if message.group is not None and not can.group:
        lost.append("group")
    return lost


def translated(message: Message, can: Capabilities) -> Message:
    """The message for the other side, with everything that it can keep.

    A time to live and a priority that it does not know are dropped; a group stays as a header.
    """
    properties = message.properties
    if properties.plain and not properties.has_priority and not message.delay:
        return message
    changes: dict[str, Any] = {}
    if properties.expiration is not None and not can.ttl:
        changes["expiration"] = None
    if properties.has_priority and not can.priority:
        changes["priority"] = None
    headers = properties.headers or {}
    # A delay that is over must not start again.
    if DELAY in headers:
        changes["headers"] = {name: value for name, value in headers.items() if name != DELAY} or None
    if not changes and not message.delay:
        return message
    delay = message.delay if can.delay else 0.0
    return received_message(message.body, properties.replace(**changes) if changes else properties, delay)
