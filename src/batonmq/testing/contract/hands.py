"""Helpers for the tests of the contract."""

from __future__ import annotations

import pytest

import batonmq

__all__ = ["QUIET", "SOON", "bodies", "has_ready", "is_not_there", "needs", "numbered", "take"]

SOON = 30.0
"""Seconds to wait for what must come: enough for a broker on a busy machine; never used up when all is well."""
QUIET = 0.05
"""Seconds to wait for what must not come."""


def bodies(deliveries: list[batonmq.Delivery]) -> list[bytes]:
    """The body of each delivery."""
    return [delivery.body for delivery in deliveries]


def take(receiver: batonmq.Receiver, count: int) -> list[batonmq.Delivery]:
    """Receive exactly that many messages."""
    taken: list[batonmq.Delivery] = []
    while len(taken) < count:
        more = receiver.receive(count - len(taken), wait=SOON)
        assert more, f"only {len(taken)} of {count} messages came"
        taken += more
    return taken


def needs(mq: batonmq.Connection, *features: str) -> None:
    """Skip the test if the engine does not have these capabilities."""
    can = mq.capabilities
    for feature in features:
        if not getattr(can, feature):
            pytest.skip(f"{can.engine}: mq.capabilities.{feature} is False")


def has_ready(mq: batonmq.Connection, queue: str, count: int) -> None:
    """Check that exactly that many messages are ready, by counting, or by receiving and giving them back."""
    if mq.capabilities.count:
        assert mq.count(queue) == count
        return
    with mq.receiver(queue, prefetch=count + 1) as receiver:
        take(receiver, count)
        assert receiver.receive(wait=QUIET) == []


def is_not_there(mq: batonmq.Connection, queue: str) -> None:
    """Check that there is no such queue."""
    ask = mq.count if mq.capabilities.count else lambda name: mq.send(name, b"")
    with pytest.raises(batonmq.NotFound):
        ask(queue)


def numbered(count: int) -> list[bytes | batonmq.Message]:
    """Numbered bodies: b"0", b"1" ..."""
    return [b"%d" % number for number in range(count)]
