"""Thousands of messages that are given back at once go back bit by bit, and nobody sees another order or count."""

from __future__ import annotations

import pytest
from tests.support.timed import Timed

from batonmq.broker.model.scheduler import RETURNS
from batonmq.broker.queues.returning import AT_ONCE
from batonmq.queued import HELD
from batonmq.store.records import LANES_MAX

MANY = 2 * RETURNS + 7


def numbers(count: int, begin: int = 0) -> list[str]:
    return [str(number) for number in range(begin, begin + count)]


def held_by_one(driven: Timed, count: int = MANY, *, persistent: bool = False) -> list[str]:
    """All messages of ``q`` are in one consumer's hands, and it leaves."""
    for body in numbers(count):
        driven.publish(body, persistent=persistent)
    taker = driven.consume(prefetch=count)
    driven.settle()
    assert len(taker.held) == count
    taker.leave()
    return taker.seen


def test_a_neighbour_is_served_while_they_go_back(driven: Timed) -> None:
    queue = driven.queue()
    driven.queue("neighbour")
    held_by_one(driven)
    served = driven.consume("neighbour", no_ack=True)
    turns = 0
    while queue.returning:
        before = queue.unsettled
        driven.publish(str(turns), queue="neighbour", persistent=False)
        driven.broker.end_turn()
        turns += 1
        assert served.seen == numbers(turns)
        assert 0 < before - queue.unsettled <= RETURNS or queue.unsettled == before
    # They are looked at once, for what leaves the queue, and put back.
    assert MANY // RETURNS < turns <= 2 * MANY // RETURNS + 2
    assert queue.ready_count == MANY


def test_each_is_held_or_ready_at_any_time(driven: Timed) -> None:
    queue = driven.queue()
    held_by_one(driven)
    while queue.returning:
        driven.broker.end_turn()
        assert queue.unsettled + queue.ready_count == MANY
        counts = queue.counts()
        assert counts.returned == queue.ready_count
        assert counts.accepted == 0


def test_a_consumer_gets_them_in_order_marked_and_counted(driven: Timed) -> None:
    driven.queue()
    held_by_one(driven)
    for body in numbers(10, MANY):
        driven.publish(body, persistent=False)
    taker = driven.consume(prefetch=2 * MANY)
    driven.settle()
    assert taker.seen == numbers(MANY + 10)
    assert [queued.return_count for queued in taker.held] == [1] * MANY + [0] * 10


def test_those_of_two_consumers_come_back_to_their_places(driven: Timed) -> None:
    driven.queue()
    for body in numbers(MANY):
        driven.publish(body, persistent=False)
    both = [driven.consume(prefetch=MANY), driven.consume(prefetch=MANY)]
    driven.settle()
    assert all(len(each.held) > AT_ONCE for each in both)
    for each in both:
        each.leave()
    assert driven.bodies() == numbers(MANY)


@pytest.mark.parametrize("of", ["get", "purge", "sweep", "if_empty"])
def test_who_takes_from_the_queue_by_itself_has_all_of_them(driven: Timed, of: str) -> None:
    queue = driven.queue()
    held_by_one(driven)
    if of == "get":
        got = queue.get()
        assert got is not None
        assert got.message.body == b"0"
    elif of == "purge":
        assert queue.purge() == MANY
    elif of == "sweep":
        driven.queue("other")
        driven.operations.move_messages("q", "other", lambda _: None)
        driven.settle()
        assert driven.bodies("other") == numbers(MANY)
    else:
        with pytest.raises(Exception, match="not empty"):
            driven.operations.delete_queue("q", if_empty=True)
    assert not queue.returning


def test_what_leaves_for_its_limit_leaves_in_order(driven: Timed) -> None:
    queue = driven.queue(x_delivery_limit=0, x_dead_letter_exchange="", x_dead_letter_routing_key="dead")
    driven.queue("dead")
    held_by_one(driven)
    driven.settle()
    assert queue.unsettled == queue.ready_count == 0
    assert driven.bodies("dead") == numbers(MANY)


def test_the_oldest_are_dropped_once_all_are_back(driven: Timed) -> None:
    queue = driven.queue(x_max_length=MANY + 5)
    held_by_one(driven)
    for body in numbers(10, MANY):
        driven.publish(body, persistent=False)
    driven.settle()
    assert queue.ready_count == MANY + 5
    assert driven.bodies() == numbers(MANY + 5, 5)


def test_a_delivery_that_is_too_late_meanwhile_comes_back_once(driven: Timed) -> None:
    queue = driven.queue(x_consumer_timeout=1_000)
    held_by_one(driven)
    driven.broker.end_turn()
    driven.wait(2)
    assert not queue.returning
    assert queue.unsettled == 0
    assert driven.bodies() == numbers(MANY)


def test_a_queue_that_is_deleted_meanwhile_is_free(driven: Timed) -> None:
    queue = driven.queue()
    held_by_one(driven)
    driven.broker.end_turn()
    driven.operations.delete_queue("q")
    driven.settle()
    assert not queue.returning
    assert queue.unsettled == 0


def test_a_crash_in_the_middle_loses_and_doubles_none(stored: Timed) -> None:
    queue = stored.queue()
    held_by_one(stored, persistent=True)
    while queue.ready_count < MANY // 2:
        stored.attempt()
    assert queue.returning
    stored.crash()
    taker = stored.consume(prefetch=2 * MANY)
    stored.settle()
    assert taker.seen == numbers(MANY)
    assert all(queued.return_count for queued in taker.held)


def test_who_serves_no_more_has_given_all_back(driven: Timed) -> None:
    queue = driven.queue()
    held_by_one(driven)
    driven.broker.serve(False)
    assert queue.ready_count == MANY
    assert not any(queued.state == HELD for queued in queue.lane.ready)


def test_what_cannot_wait_or_leave_is_ready_at_once_and_so_are_those_before_it(driven: Timed) -> None:
    """No lane is left, in which one of them would wait as a dead letter's copy, or for its retry."""
    driven.queue("dead", x_max_priority=9)
    queue = driven.queue(x_dead_letter_exchange="", x_dead_letter_routing_key="dead", x_delivery_limit=1)
    for body in "abc":
        driven.publish(body, priority=5 if body == "b" else None)
    taker = driven.consume(prefetch=3)
    driven.settle()
    for queued in taker.held[:2]:
        queued.count_as(1 if queued.message.body == b"b" else 0)
    driven.broker.store._last_lane = LANES_MAX
    taker.leave()
    driven.settle()
    assert (queue.ready_count, queue.unsettled) == (3, 0)
    assert driven.bodies() == ["a", "b", "c"]
