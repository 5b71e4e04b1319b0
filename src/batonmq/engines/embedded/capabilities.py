"""What the embedded engine can do: what the broker's model can."""

from __future__ import annotations

from dataclasses import replace

from batonmq.engines.values import Capabilities, Message
from batonmq.errors import UnsupportedFeature

__all__ = ["CAPABILITIES", "IN_MEMORY", "require"]

CAPABILITIES = Capabilities(
    engine="embedded",
    durable=True,
    ttl=True,
    priority=True,
    delivery_count=True,
    max_deliveries=True,
    reject_reason=True,
    transactions=True,
    peek=True,
    count=True,
    atomic_replay=True,
)
IN_MEMORY = replace(CAPABILITIES, durable=False)


def require(message: Message) -> Message:
    """Raises UnsupportedFeature for what would be lost on the way."""
    if message.delay:
        raise UnsupportedFeature("embedded: delay")
    if message.group is not None:
        raise UnsupportedFeature("embedded: group")
    return message
