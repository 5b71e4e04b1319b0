"""How often a message was delivered over AMQP 0-9-1, as far as its queue says."""

from __future__ import annotations

import pytest

import batonmq
from batonmq.engines.amqp.delivery_counts import earlier_deliveries
from batonmq.engines.messages import HeaderValue

DEATH: HeaderValue = [{"count": 1, "queue": "q"}]


@pytest.mark.parametrize(
    ("headers", "redelivered", "counts_anew", "expected"),
    [
        ({}, False, False, (0, True)),
        # A classic queue.
        ({}, True, False, (1, False)),
        ({"x-delivery-count": 0}, True, False, (1, False)),
        # A quorum queue, of 3.10 and of 4.3.
        ({"x-delivery-count": 2}, True, False, (2, True)),
        ({"x-acquired-count": 3, "x-delivery-count": 1}, True, False, (3, True)),
        # A dead letter may have the count of the queue that it comes from; BatonMQ's has not.
        ({"x-delivery-count": 2, "x-death": DEATH}, True, False, (0, False)),
        ({"x-delivery-count": 2, "x-death": DEATH}, True, True, (2, True)),
        ({"x-delivery-count": 2, "x-death": DEATH}, False, False, (0, True)),
        ({"x-delivery-count": True}, True, False, (1, False)),
        ({"x-delivery-count": "2"}, True, False, (1, False)),
    ],
)
def test_what_was_delivered_before(
    headers: dict[str, HeaderValue], redelivered: bool, counts_anew: bool, expected: tuple[int, bool]
) -> None:
    message = batonmq.Message(b"", headers=headers)
    assert earlier_deliveries(message, redelivered=redelivered, counts_anew=counts_anew) == expected
