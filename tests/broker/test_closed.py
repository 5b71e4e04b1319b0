"""A broker that was closed leaves nothing in memory, whatever waited in it."""

from __future__ import annotations

import gc
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.support.timed import Timed

from batonmq.broker.queues.queue import Queue
from batonmq.broker.queues.reclaiming import hand_on
from batonmq.broker.queues.returning import AT_ONCE
from batonmq.fields import FieldValue


def queues() -> int:
    """How many are in memory, in use or not. Compiled, they have no weak references that would tell."""
    gc.collect()
    return sum(isinstance(each, Queue) for each in gc.get_objects())


def left_by(path: Path | None, use: Callable[[Timed], None]) -> int:
    """How many queues are still there when a broker that was used is closed, and nobody refers to it."""
    before = queues()
    driven = Timed(path)
    use(driven)
    assert queues() > before
    driven.broker.close()
    del driven
    return queues() - before


@pytest.mark.parametrize("is_stored", [False, True])
@pytest.mark.parametrize(
    "arguments",
    [{}, {"x_max_priority": 3}, {"x_message_ttl": 60_000}, {"x_consumer_timeout": 60_000}, {"x_retry_delay": 10_000}],
    ids=str,
)
def test_queues_of_a_closed_broker_go_with_their_messages(
    tmp_path: Path, is_stored: bool, arguments: dict[str, FieldValue]
) -> None:
    def use(driven: Timed) -> None:
        driven.queue("q", durable=True, **arguments)
        for body in ("a", "b", "c"):
            driven.publish(body)
        driven.publish("delayed", {"x-delay": 1_000})
        driven.publish("of a group", {"x-group": "g"})
        driven.publish("once", {"x-deduplication-id": "1"})
        driven.settle()
        taker = driven.consume(prefetch=2)
        driven.settle()
        assert taker.seen == ["a", "b"]
        taker.leave()
        driven.settle()

    assert left_by(tmp_path / "store" if is_stored else None, use) == 0


def test_queues_of_a_closed_broker_go_with_messages_on_their_way_back(tmp_path: Path) -> None:
    def use(driven: Timed) -> None:
        driven.queue()
        for number in range(AT_ONCE + 100):
            driven.publish(str(number), persistent=False)
        driven.settle()
        taker = driven.consume(prefetch=AT_ONCE + 100)
        driven.settle()
        taker.leave()

    assert left_by(tmp_path / "store", use) == 0


def test_queues_of_a_closed_broker_go_with_consumers_whose_messages_the_next_owner_has(tmp_path: Path) -> None:
    def use(driven: Timed) -> None:
        driven.queue()
        driven.publish("a")
        driven.publish("b")
        taker = driven.consume(prefetch=1)
        driven.settle()
        assert taker.seen == ["a"]
        hand_on(taker.queue, taker.held)

    assert left_by(tmp_path / "store", use) == 0
