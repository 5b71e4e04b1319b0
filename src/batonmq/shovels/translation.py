"""A message of one engine for another: what the other side cannot keep is left off."""

from __future__ import annotations

from typing import Any, Final

from batonmq.engines.messages import Message, received_message
from batonmq.engines.values import Capabilities

__all__ = ["losses", "translated"]

# Seconds to wait, as BatonMQ and RabbitMQ's plugin for delayed messages read them.
DELAY: Final = "x-delay"


def losses(message: Message, can: Capabilities) -> list[str]:
    """What of a message the other side cannot keep, in words."""
    lost = []
    if message.ttl is not None and not can.ttl:
        lost.append("time to live")
    if message.priority and not can.priority:
        lost.append("priority")
    if message.group is not None and not can.group:
        lost.append("group")
    return lost


def translated(message: Message, can: Capabilities) -> Message:
    """The message as the other side takes it, with everything that it can keep.

    A time to live and a priority that it does not know are left off; a group stays as a header.
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
    # A delay that is over begins anew nowhere.
    if DELAY in headers:
        changes["headers"] = {name: value for name, value in headers.items() if name != DELAY} or None
    if not changes and not message.delay:
        return message
    delay = message.delay if can.delay else 0.0
    return received_message(message.body, properties.replace(**changes) if changes else properties, delay)
