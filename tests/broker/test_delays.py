"""Delays: a message waits until its time has come, outlives a restart, and holds up nobody."""

from __future__ import annotations

import datetime

import pytest
from tests.support.timed import Timed

from batonmq.broker import KEPT, STORED
from batonmq.broker.features.due_heap import HEAP_MESSAGES
from batonmq.errors import PreconditionFailed
from batonmq.fields import FieldValue, Timestamp
from batonmq.properties import Properties
from batonmq.queued import DURABLE

CENTURY = 100 * 365 * 24 * 3600 * 1000


def now(driven: Timed) -> int:
    return int(driven.clock.time() * 1000)


def test_a_delayed_message_is_not_ready_before_its_time(driven: Timed) -> None:
    queue = driven.queue()
    taker = driven.consume()
    assert driven.publish("later", {"x-delay": 5_000}) == STORED
    driven.settle()
    driven.wait(4.9)
    assert (queue.ready_count, queue.delayed_count, taker.seen) == (0, 1, [])
    driven.wait(0.2)
    assert (queue.ready_count, queue.delayed_count, taker.seen) == (0, 0, ["later"])


def test_a_moment_of_the_epoch_is_a_delay_too(driven: Timed) -> None:
    driven.queue()
    taker = driven.consume(prefetch=9)
    moment = now(driven) + 10_000
    driven.publish("a", {"x-deliver-at": moment})
    driven.publish("b", {"x-deliver-at": Timestamp(moment // 1000)})
    driven.publish("c", {"x-deliver-at": datetime.datetime.fromtimestamp(moment / 1000, datetime.UTC)})
    driven.wait(9.9)
    assert taker.seen == []
    driven.wait(0.2)
    assert sorted(taker.seen) == ["a", "b", "c"]


def test_the_absolute_time_counts_where_both_are_given(driven: Timed) -> None:
    driven.queue()
    taker = driven.consume()
    driven.publish("a", {"x-delay": 1_000, "x-deliver-at": now(driven) + 60_000})
    driven.wait(30)
    assert taker.seen == []
    driven.wait(31)
    assert taker.seen == ["a"]


@pytest.mark.parametrize("headers", [{"x-delay": 0}, {"x-deliver-at": 1}, {"x-delay": None}])
def test_no_time_or_a_time_that_is_over_is_no_delay(driven: Timed, headers: dict[str, FieldValue]) -> None:
    queue = driven.queue()
    driven.publish("now", headers)
    assert (queue.ready_count, queue.delayed_count) == (1, 0)


@pytest.mark.parametrize("name", ["x-delay", "x-deliver-at"])
@pytest.mark.parametrize("value", [-1, "1000", 1.5, True, [1], 1 << 62])
def test_what_is_no_time_is_refused(driven: Timed, name: str, value: FieldValue) -> None:
    queue = driven.queue()
    with pytest.raises(PreconditionFailed, match=f"invalid header '{name}'"):
        driven.publish("never", {name: value})
    assert queue.ready_count == queue.delayed_count == 0


def test_a_century_can_be_waited_for(stored: Timed) -> None:
    stored.queue()
    taker = stored.consume()
    stored.publish("patient", {"x-delay": CENTURY})
    stored.settle()
    stored.wait(CENTURY / 1000 - 1)
    assert taker.seen == []
    for _ in range(2):
        stored.wait(61)
    assert taker.seen == ["patient"]


def test_messages_come_in_the_order_of_their_time_and_then_of_their_publishing(driven: Timed) -> None:
    driven.queue()
    for body, delay in (("d", 3_000), ("b", 2_000), ("c", 2_000), ("a", 1_000)):
        driven.publish(body, {"x-delay": delay})
    driven.wait(3.1)
    assert driven.bodies() == ["a", "b", "c", "d"]


def test_a_message_that_is_due_goes_to_the_tail(driven: Timed) -> None:
    driven.queue()
    driven.publish("delayed", {"x-delay": 1_000})
    driven.publish("first")
    driven.wait(1.1)
    driven.publish("last")
    assert driven.bodies() == ["first", "delayed", "last"]


def test_a_delayed_message_goes_to_the_lane_of_its_priority(driven: Timed) -> None:
    queue = driven.queue(x_max_priority=5)
    driven.publish("low")
    message = driven.message("high", {"x-delay": 1_000}, priority=4)
    queue.publish(message)
    driven.wait(1.1)
    assert driven.bodies() == ["high", "low"]


def test_time_to_live_begins_when_the_message_is_in_the_queue(driven: Timed) -> None:
    queue = driven.queue(x_message_ttl=1_000)
    driven.publish("later", {"x-delay": 5_000})
    driven.wait(5.5)
    assert queue.ready_count == 1
    driven.wait(1)
    assert queue.ready_count == 0


def test_delayed_messages_do_not_count_against_the_length(driven: Timed) -> None:
    queue = driven.queue(x_max_length=2)
    for number in range(5):
        driven.publish(f"{number}", {"x-delay": 1_000})
    assert queue.delayed_count == 5
    driven.wait(1.1)
    assert driven.bodies() == ["3", "4"]


def test_a_dead_letter_does_not_wait_again(driven: Timed) -> None:
    driven.queue("dead")
    driven.queue(x_dead_letter_exchange="", x_dead_letter_routing_key="dead")
    driven.publish("no", {"x-delay": 1_000, "own": 1})
    driven.wait(1.1)
    taker = driven.consume()
    driven.settle()
    taker.queue.reject(taker.held.pop())
    dead = driven.operations.find_queue("dead")
    assert (dead.ready_count, dead.delayed_count) == (1, 0)
    queued = dead.get()
    assert queued is not None
    headers = queued.message.properties.headers or {}
    assert headers["own"] == 1
    assert "x-delay" not in headers


def test_a_purge_leaves_what_waits(driven: Timed) -> None:
    queue = driven.queue()
    driven.publish("now")
    driven.publish("later", {"x-delay": 1_000})
    assert queue.purge() == 1
    driven.wait(1.1)
    assert driven.bodies() == ["later"]


def test_a_deleted_queue_takes_its_delayed_messages_along(driven: Timed) -> None:
    driven.queue()
    driven.publish("later", {"x-delay": 1_000})
    driven.settle()
    with pytest.raises(PreconditionFailed, match="not empty"):
        driven.operations.delete_queue("q", if_empty=True)
    driven.operations.delete_queue("q")
    driven.settle()
    queue = driven.queue()
    driven.wait(2)
    assert (queue.ready_count, queue.delayed_count) == (0, 0)
    assert driven.broker.scheduler.memory.used == 0


@pytest.mark.parametrize("when", ["before", "at", "after"])
def test_a_delayed_message_survives_a_crash(stored: Timed, when: str) -> None:
    queue = stored.queue()
    stored.publish("now")
    stored.publish("later", {"x-delay": 5_000})
    stored.publish("transient", {"x-delay": 5_000}, persistent=False)
    stored.settle()
    if when == "after":
        stored.wait(5.1)
    stored.crash()
    queue = stored.operations.find_queue("q")
    if when == "at":
        stored.clock.now += 10
    stored.settle()
    stored.wait(0)
    if when == "before":
        assert (queue.ready_count, queue.delayed_count) == (1, 1)
        stored.wait(5.1)
    assert (queue.ready_count, queue.delayed_count) == (2, 0)
    taker = stored.consume(prefetch=5)
    stored.settle()
    assert taker.seen == ["now", "later"]
    assert [queued.return_count for queued in taker.held] == [0, 0]
    taker.accept(2)
    stored.settle()
    stored.crash()
    assert stored.bodies() == []


def test_counts_survive_an_orderly_stop(stored: Timed) -> None:
    stored.queue()
    for number in range(10):
        stored.publish(f"{number}", {"x-delay": 5_000}, size=100)
    stored.settle()
    stored.broker.close()
    stored.start()
    queue = stored.operations.find_queue("q")
    assert queue.delays is not None
    assert (queue.delayed_count, queue.delays.size) == (10, 1_000)


@pytest.mark.parametrize("persistent", [True, False])
def test_memory_holds_a_bounded_number_of_the_next_due(stored: Timed, persistent: bool) -> None:
    queue = stored.queue()
    count = 3 * HEAP_MESSAGES
    # The later they are published, the earlier they are due, and some out of line.
    for number in range(count):
        delay = 60_000 - 5 * number + (20_000 if number % 7 == 0 else 0)
        stored.publish(f"{number}", {"x-delay": delay}, persistent=persistent)
        if number % 500 == 0:
            stored.settle()
    delays = queue.delays
    assert delays is not None
    assert len(delays._heap) <= HEAP_MESSAGES
    assert queue.delayed_count == count
    assert stored.broker.scheduler.memory.used <= 2 * stored.memory_limit
    due = {number: 60_000 - 5 * number + (20_000 if number % 7 == 0 else 0) for number in range(count)}
    stored.wait(90)
    assert queue.delayed_count == 0
    assert stored.bodies() == [f"{number}" for number in sorted(due, key=lambda number: (due[number], number))]


def test_large_messages_are_left_to_the_store(stored: Timed) -> None:
    queue = stored.queue()
    for number in range(50):
        stored.publish(f"{number}", {"x-delay": 1_000}, size=10_000)
    assert queue.delays is not None
    assert queue.delays._heap.bytes < 2 * stored.memory_limit
    stored.wait(1.1)
    assert stored.bodies() == [f"{number}" for number in range(50)]


def test_what_falls_due_at_once_is_released_a_slice_a_turn(driven: Timed) -> None:
    queue = driven.queue()
    other = driven.queue("other")
    for number in range(2_000):
        driven.publish(f"{number}", {"x-delay": 1_000})
        driven.publish(f"{number}", {"x-delay": 1_000}, queue="other")
    driven.settle()
    driven.clock.now += 1.1
    driven.broker.run_timers()
    released = 0
    while queue.delayed_count or other.delayed_count:
        driven.turn()
        waiting = 4_000 - queue.delayed_count - other.delayed_count
        assert 0 <= waiting - released <= 256
        # Neither waits until the other is done.
        assert abs(queue.delayed_count - other.delayed_count) <= 2 * 256
        released = waiting
    assert driven.bodies() == [f"{number}" for number in range(2_000)]


def test_a_move_that_the_disk_refused_is_made_good(stored: Timed) -> None:
    queue = stored.queue()
    stored.publish("a", {"x-delay": 1_000})
    stored.settle()
    stored.wait(0)
    stored.clock.now += 1.1
    stored.broker.run_timers()
    stored.broker.end_turn()
    stored.fail()
    assert queue.ready_count == 1
    stored.settle()
    stored.crash()
    assert stored.bodies() == ["a"]


def test_a_delayed_message_that_the_disk_refused_is_gone(stored: Timed) -> None:
    queue = stored.queue()
    stored.settle()
    stored.publish("a", {"x-delay": 1_000})
    assert queue.delayed_count == 1
    stored.fail()
    assert queue.delayed_count == 0
    stored.wait(2)
    assert queue.ready_count == 0


def test_a_position_is_not_given_twice(stored: Timed) -> None:
    """The lane is empty on the disk while its message waits; after a crash the next one must not get its row."""
    queue = stored.queue(x_retry_delay=5_000)
    stored.publish("a")
    taker = stored.consume()
    stored.settle()
    taker.release()
    stored.settle()
    stored.crash()
    queue = stored.operations.find_queue("q")
    stored.publish("b")
    stored.wait(6)
    assert queue.ready_count == 2
    assert stored.bodies() == ["a", "b"]


def test_a_transient_queue_delays_too(driven: Timed) -> None:
    queue = driven.queue(durable=False)
    assert driven.publish("later", {"x-delay": 1_000}) == KEPT
    driven.wait(1.1)
    assert queue.ready_count == 1
    queued = queue.get()
    assert queued is not None
    assert queued.stored != DURABLE


@pytest.mark.parametrize("kind", ["direct", "topic", "fanout", "headers"])
def test_the_delayed_exchange_routes_as_its_type(driven: Timed, kind: str) -> None:
    queue = driven.queue()
    operations = driven.operations
    operations.declare_exchange("x", "x-delayed-message", arguments={"x-delayed-type": kind})
    operations.bind_queue("q", "x", "key", {"h": 1} if kind == "headers" else {})
    headers: dict[str, FieldValue] = {"x-delay": 1_000, "h": 1}
    message = driven.message("later", headers)
    exchange = operations.vhost.router.exchanges["x"]
    targets = operations.vhost.router.route(exchange, ["key"], headers)
    assert targets == [queue]
    operations.vhost.router.publish(message, targets)
    assert (queue.ready_count, queue.delayed_count) == (0, 1)
    assert operations.resolve("x", "key").by_key == (kind != "headers")
    operations.unbind_queue("q", "x", "key", {"h": 1} if kind == "headers" else {})
    assert operations.vhost.router.route(exchange, ["key"], headers) == []


@pytest.mark.parametrize("arguments", [{}, {"x-delayed-type": "nonsense"}, {"x-delayed-type": "x-delayed-message"}])
def test_a_delayed_exchange_must_know_how_to_route(driven: Timed, arguments: dict[str, FieldValue]) -> None:
    with pytest.raises(PreconditionFailed, match="x-delayed-type"):
        driven.operations.declare_exchange("x", "x-delayed-message", arguments=arguments)
    assert "x" not in driven.operations.vhost.router.exchanges


def test_a_delayed_exchange_is_declared_again_with_the_same_type(driven: Timed) -> None:
    declare = driven.operations.declare_exchange
    declare("x", "x-delayed-message", arguments={"x-delayed-type": "topic"})
    declare("x", "x-delayed-message", arguments={"x-delayed-type": "topic"})
    with pytest.raises(PreconditionFailed, match="inequivalent arg 'x-delayed-type'"):
        declare("x", "x-delayed-message", arguments={"x-delayed-type": "direct"})


def test_a_delayed_exchange_that_routes_by_weight_checks_it_and_hashes_properties(driven: Timed) -> None:
    arguments: dict[str, FieldValue] = {"x-delayed-type": "x-consistent-hash", "hash-property": "message_id"}
    driven.operations.declare_exchange("x", "x-delayed-message", arguments=arguments)
    for name in ("a", "b"):
        driven.queue(name)
        driven.operations.bind_queue(name, "x", "1", {})
    with pytest.raises(PreconditionFailed, match="non-negative integer"):
        driven.operations.bind_queue("a", "x", "heavy", {})
    vhost = driven.operations.vhost
    reached = {
        vhost.router.route(vhost.router.exchanges["x"], [""], {}, Properties.make(message_id=str(number)))[0].name
        for number in range(50)
    }
    assert reached == {"a", "b"}
