"""What the tests of the contract do again and again."""

from __future__ import annotations

import pytest

import batonmq

__all__ = ["QUIET", "SOON", "bodies", "has_ready", "is_not_there", "needs", "numbered", "take"]

SOON = 30.0
"""Seconds for what must come: long enough for a broker on a busy machine; nothing waits for it when all is well."""
QUIET = 0.05
"""Seconds for what must not come."""


def bodies(deliveries: list[batonmq.Delivery]) -> list[bytes]:
    """The body of each."""
    return [delivery.body for delivery in deliveries]


def take(receiver: batonmq.Receiver, count: int) -> list[batonmq.Delivery]:
    """Exactly that many messages."""
    taken: list[batonmq.Delivery] = []
    while len(taken) < count:
        more = receiver.receive(count - len(taken), wait=SOON)
        assert more, f"only {len(taken)} of {count} messages came"
        taken += more
    return taken


def needs(mq: batonmq.Connection, *features: str) -> None:
    """Skip the test where the engine says that it cannot do this."""
    can = mq.capabilities
    for feature in features:
        if not getattr(can, feature):
            pytest.skip(f"{can.engine}: mq.capabilities.{feature} is False")


def has_ready(mq: batonmq.Connection, queue: str, count: int) -> None:
    """Exactly that many messages are ready: as the engine counts them, or else they are taken and given back."""
    if mq.capabilities.count:
        assert mq.count(queue) == count
        return
    with mq.receiver(queue, prefetch=count + 1) as receiver:
        take(receiver, count)
        assert receiver.receive(wait=QUIET) == []


def is_not_there(mq: batonmq.Connection, queue: str) -> None:
    """There is no such queue."""
    ask = mq.count if mq.capabilities.count else lambda name: mq.send(name, b"")
    with pytest.raises(batonmq.NotFound):
        ask(queue)


def numbered(count: int) -> list[bytes | batonmq.Message]:
    """Bodies that say which is which: b"0", b"1" ..."""
    return [b"%d" % number for number in range(count)]
