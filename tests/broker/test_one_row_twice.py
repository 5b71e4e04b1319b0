"""A row whose message is another object by now: left to the store and read again, or its lane has a new owner."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import cast

import pytest
from tests.support.timed import Timed

from batonmq.broker.features.due_heap import HEAP_MESSAGES
from batonmq.broker.queues.queue import Queue
from batonmq.fields import FieldValue
from batonmq.message import Message


@pytest.fixture
def driven(tmp_path: Path) -> Timed:
    return Timed(tmp_path / "store")


def test_messages_that_were_left_to_the_store_expire_when_they_have_been_read_again(driven: Timed) -> None:
    queue = driven.queue(x_message_ttl=3_000)
    for number in range(400):
        driven.publish(f"{number}", size=1_000)
    driven.settle()
    taker = driven.consume(prefetch=1)
    for _ in range(150):
        taker.accept()
        driven.settle()
    # Where there is less room than was thought, what was read goes back to the store.
    driven.broker.scheduler.memory.window = 16 << 10
    for _ in range(50):
        taker.accept()
        driven.settle()
    driven.broker.scheduler.memory.window = driven.memory_limit // 2
    for _ in range(50):
        taker.accept()
        driven.settle()
    assert taker.seen == [f"{number}" for number in range(250)]
    taker.leave()
    driven.settle()
    driven.wait(3.1)
    assert queue.ready_count == 0
    driven.publish("fresh")
    assert driven.bodies() == ["fresh"]


def test_a_message_that_comes_back_often_is_watched_once(driven: Timed) -> None:
    queue = driven.queue(x_message_ttl=60_000)
    driven.publish("a")
    taker = driven.consume()
    for _ in range(50):
        driven.settle()
        taker.release()
    driven.settle()
    assert len(queue.expiry._heap) == 1


def test_what_repeats_itself_while_memory_is_short_comes_once_each_time(driven: Timed) -> None:
    """A release that leads to messages being left to the store goes on with what is left in memory."""
    queue = driven.queue()
    schedule = {"AMQ_SCHEDULED_DELAY": 1_000, "AMQ_SCHEDULED_PERIOD": 1_000, "AMQ_SCHEDULED_REPEAT": 3}
    for number in range(60):
        driven.publish(f"{number}", schedule, size=6_000, persistent=number % 2 == 0)
    driven.settle()
    for _ in range(4):
        driven.wait(1.0)
        assert sorted(driven.bodies(), key=int) == [f"{number}" for number in range(60)]
        taker = driven.consume(prefetch=1_000)
        driven.settle()
        taker.accept(len(taker.held))
        taker.leave()
        driven.settle()
    assert queue.delayed_count == 0


def test_a_lane_is_not_used_again_while_rows_of_its_former_owner_are_there(driven: Timed) -> None:
    """Transient messages that waited in the store for their time are in the lane of their queue then."""
    for number in range(5):
        name = f"transient{number}"
        queue = driven.queue(name, durable=False)
        for _ in range(2 * HEAP_MESSAGES):
            driven.publish("x", {"x-delay": 100}, queue=name, persistent=False)
        driven.settle()
        driven.wait(0.2)
        assert queue.delayed_count == 0
        driven.operations.delete_queue(name)
        driven.queue(f"durable{number}")
        for _ in range(100):
            driven.publish("y", queue=f"durable{number}")
        driven.settle()
        assert driven.broker.store.error is None


def test_what_is_published_after_a_purge_is_kept(driven: Timed) -> None:
    queue = driven.queue()
    for number in range(200):
        driven.publish(f"{number}", size=1_000)
    driven.settle()
    assert queue.lane.paged
    queue.purge()
    driven.publish("after")
    driven.settle()
    driven.crash()
    assert driven.bodies() == ["after"]


def test_the_budget_is_free_again_when_all_queues_are_gone(driven: Timed) -> None:
    before = driven.broker.scheduler.memory.used
    for number in range(20):
        name = f"q{number}"
        driven.queue(name, durable=number % 2 == 0)
        for index in range(60):
            driven.publish(f"{index}", {"x-delay": 1_000} if index % 3 else None, queue=name, size=3_000)
            driven.publish(f"{index}", {"AMQ_SCHEDULED_PERIOD": 100, "AMQ_SCHEDULED_REPEAT": 3}, queue=name)
        driven.wait(0.5)
    for number in range(20):
        driven.operations.delete_queue(f"q{number}")
    driven.wait(5)
    assert driven.broker.scheduler.memory.used == before


def test_what_comes_back_after_a_purge_is_kept(driven: Timed) -> None:
    """The purge leaves its place to the store, which sweeps it by and by."""
    driven.queue(x_retry_delay=1_000)
    driven.publish("back", size=1_000)
    for number in range(200):
        driven.publish(f"{number}", size=1_000)
    taker = driven.consume()
    driven.settle()
    taker.release()
    taker.leave()
    driven.settle()
    driven.broker.close()
    driven.start()
    queue = driven.operations.find_queue("q")
    driven.clock.now += 1.1
    driven.broker.run_timers()
    queue.purge()
    driven.settle()
    assert queue.ready_count == 1
    driven.crash()
    assert driven.bodies() == ["back"]


def queues() -> int:
    """How many are in memory, in use or not. Compiled, they have no weak references that would tell."""
    return sum(isinstance(each, Queue) for each in gc.get_objects())


def test_a_queue_that_is_deleted_leaves_nothing_to_the_collector(driven: Timed) -> None:
    gc.collect()
    before = queues()
    gc.disable()
    try:
        for arguments in ({}, {"x_max_priority": 3}, {"x_message_ttl": 1_000}, {"x_retry_delay": 10}):
            queue = driven.queue("q", durable=True, **cast(dict[str, FieldValue], arguments))
            driven.publish("a", {"x-delay": 1_000})
            driven.publish("b", {"x-group": "g"})
            taker = driven.consume()
            driven.settle()
            taker.leave()
            driven.settle()
            del taker
            driven.operations.delete_queue("q")
            del queue
            driven.wait(2)
            assert queues() == before
    finally:
        gc.enable()


class Everything:
    def matches(self, message: Message) -> bool:
        return True


def test_a_queue_that_is_deleted_under_a_choosy_consumer_leaves_nothing_either(driven: Timed) -> None:
    gc.collect()
    before = queues()
    gc.disable()
    try:
        queue = driven.queue("q")
        taker = driven.taker()
        taker.selector = Everything()
        driven.operations.subscribe(queue, taker)
        driven.publish("a")
        driven.settle()
        driven.operations.delete_queue("q")
        driven.settle()
        taker.held.clear()
        del queue, taker
        assert queues() == before
    finally:
        gc.enable()
