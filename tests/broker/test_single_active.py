"""A single active consumer that holds messages for too long: the next one is served instead of it."""

from __future__ import annotations

import pytest
from tests.support.timed import Holder, Timed

from batonmq.broker import Queue
from batonmq.queued import QueuedMessage


def single(driven: Timed, milliseconds: int = 10_000) -> Queue:
    return driven.queue(x_single_active_consumer=True, x_consumer_timeout=milliseconds)


def publish(driven: Timed, bodies: str) -> None:
    for body in bodies:
        driven.publish(body)
    driven.settle()


def test_a_late_one_hands_over_to_the_next(driven: Timed) -> None:
    queue = single(driven)
    publish(driven, "abc")
    late, following, last = Holder(driven), Holder(driven, prefetch=9), Holder(driven)
    driven.wait(9.9)
    assert (queue.active, following.seen) == (late, [])
    driven.wait(0.2)
    assert queue.active is following
    assert (late.seen, following.seen, last.seen) == (["a"], ["a", "b", "c"], [])
    assert (late.heard, following.heard, last.heard) == ([False], [True], [])
    publish(driven, "d")
    assert following.seen == ["a", "b", "c", "d"]


def test_what_else_it_holds_goes_along_in_order(driven: Timed) -> None:
    single(driven)
    publish(driven, "ab")
    late = Holder(driven, prefetch=3)
    driven.wait(5)
    publish(driven, "cd")
    late.settle("accept", 1)
    driven.settle()
    assert late.seen == ["a", "b", "c", "d"]
    following = Holder(driven, prefetch=9)
    driven.wait(5.1)
    assert late.taken_back == ["a", "c", "d"]
    assert following.seen == ["a", "c", "d"]
    assert [queued.return_count for queued in following.held] == [1, 1, 1]


def test_more_than_is_taken_back_at_once_stays_in_order(driven: Timed) -> None:
    single(driven)
    bodies = [str(number) for number in range(2_000)]
    for body in bodies[:-100]:
        driven.publish(body)
    Holder(driven, prefetch=1_500)
    following = Holder(driven, prefetch=5_000)
    driven.wait(10.1)
    for body in bodies[-100:]:
        driven.publish(body)
    driven.settle()
    driven.wait(0.1)
    assert following.seen == bodies


class Leaving(Holder):
    """Cancels when so many messages have been taken back from it."""

    leaves_at = 0

    def revoked(self, queued: QueuedMessage) -> None:
        super().revoked(queued)
        if len(self.taken_back) == self.leaves_at:
            self.queue.unsubscribe(self)


@pytest.mark.parametrize("leaves_at", [1, 255, 256, 257, 600, 1_500])
def test_one_that_cancels_while_its_messages_go_back_leaves_none_behind(driven: Timed, leaves_at: int) -> None:
    queue = single(driven)
    bodies = [str(number) for number in range(2_000)]
    for body in bodies:
        driven.publish(body)
    late = Leaving(driven, prefetch=1_500)
    late.leaves_at = leaves_at
    following = Holder(driven, prefetch=5_000)
    driven.wait(10.1)
    driven.wait(0.1)
    assert queue.active is following
    assert sorted(late.taken_back, key=int) == bodies[:1_500]
    assert following.seen == bodies


def test_one_that_is_alone_is_served_on(driven: Timed) -> None:
    queue = single(driven)
    publish(driven, "abc")
    late = Holder(driven, prefetch=2)
    driven.wait(5)
    late.settle("accept")
    driven.settle()
    driven.wait(5.1)
    assert (late.taken_back, queue.active) == (["b"], late)
    late.settle("accept")
    driven.settle()
    assert late.seen == ["a", "b", "c", "b"]


def test_who_comes_later_takes_over(driven: Timed) -> None:
    queue = single(driven)
    publish(driven, "ab")
    late = Holder(driven)
    driven.wait(10.1)
    assert queue.active is late
    following = Holder(driven, prefetch=9)
    driven.settle()
    assert (queue.active, following.seen) == (following, ["a", "b"])


def test_it_is_in_line_again_once_it_has_settled(driven: Timed) -> None:
    queue = single(driven)
    publish(driven, "abc")
    first, second = Holder(driven, prefetch=2), Holder(driven, prefetch=3)
    driven.wait(10.1)
    assert queue.active is second
    first.settle("accept")
    driven.wait(10.1)
    # Nobody can take anything: the second stays.
    assert (queue.active, queue.ready_count) == (second, 3)
    first.settle("release")
    driven.settle()
    assert queue.active is first
    assert first.seen == ["a", "b", "a", "b"]


def test_the_one_that_was_late_first_takes_over_from_the_other(driven: Timed) -> None:
    queue = single(driven)
    publish(driven, "a")
    first, second = Holder(driven), Holder(driven)
    driven.wait(10.1)
    first.settle("accept")
    driven.wait(10.1)
    assert queue.active is first
    assert (first.seen, second.seen) == (["a", "a"], ["a"])
    assert (first.heard, second.heard) == ([False, True], [True, False])


def test_the_next_is_the_oldest_of_the_highest_priority(driven: Timed) -> None:
    queue = single(driven)
    publish(driven, "a")
    late = Holder(driven)
    others = [Holder(driven, priority=priority) for priority in (1, 5, 5, 2)]
    assert queue.active is late
    driven.wait(10.1)
    assert queue.active is others[1]
    queue.unsubscribe(others[1])
    assert queue.active is others[2]
    queue.unsubscribe(others[2])
    assert queue.active is others[3]


def test_one_that_is_late_is_not_chosen_while_another_can_take(driven: Timed) -> None:
    queue = single(driven)
    publish(driven, "a")
    late = Holder(driven, priority=9)
    second, third = Holder(driven), Holder(driven)
    driven.wait(10.1)
    queue.unsubscribe(second)
    assert queue.active is third
    queue.unsubscribe(third)
    assert queue.active is late


def test_one_that_goes_while_it_is_late_is_forgotten(driven: Timed) -> None:
    queue = single(driven)
    publish(driven, "ab")
    late, following = Holder(driven), Holder(driven)
    driven.wait(10.1)
    queue.unsubscribe(late)
    late.settle("accept")
    driven.settle()
    assert (queue.active, following.seen) == (following, ["a"])


def test_what_it_renews_goes_along_too(driven: Timed) -> None:
    queue = single(driven)
    publish(driven, "ab")
    late, following = Holder(driven, prefetch=2), Holder(driven, prefetch=2)
    queue.renew(late.held[1], 60.0)
    driven.wait(10.1)
    assert following.seen == ["a", "b"]
    assert not queue.renew(late.held[1], 60.0)


def test_a_paused_queue_hands_over_too(driven: Timed) -> None:
    queue = single(driven)
    publish(driven, "a")
    Holder(driven)
    following = Holder(driven)
    queue.pause(True)
    driven.wait(10.1)
    assert following.seen == []
    queue.pause(False)
    driven.settle()
    assert following.seen == ["a"]


def test_an_ordinary_queue_keeps_both(driven: Timed) -> None:
    driven.queue(x_consumer_timeout=10_000)
    publish(driven, "ab")
    slow = Holder(driven, prefetch=2)
    other = Holder(driven, prefetch=2)
    slow.queue.renew(slow.held[1], 60.0)
    driven.wait(10.1)
    assert (slow.taken_back, other.seen) == (["a"], ["a"])
