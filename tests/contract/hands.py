"""What the tests of the contract do again and again."""

from __future__ import annotations

import pytest

import batonmq

# Long enough for a broker on a busy machine; nothing waits for it when all is well.
SOON = 30.0


def bodies(deliveries: list[batonmq.Delivery]) -> list[bytes]:
    return [delivery.body for delivery in deliveries]


def take(receiver: batonmq.Receiver, count: int) -> list[batonmq.Delivery]:
    """Exactly so many messages."""
    taken: list[batonmq.Delivery] = []
    while len(taken) < count:
        more = receiver.receive(count - len(taken), wait=SOON)
        assert more, f"only {len(taken)} of {count} messages came"
        taken += more
    return taken


def needs(mq: batonmq.Connection, feature: str) -> None:
    """Skip the test where the engine says that it cannot do this."""
    can = mq.capabilities
    if not getattr(can, feature):
        pytest.skip(f"{can.engine}: mq.capabilities.{feature} is False")


def numbered(count: int) -> list[bytes | batonmq.Message]:
    return [b"%d" % number for number in range(count)]
