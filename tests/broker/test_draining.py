"""A consumer that drains is told once when it has been given all that there is for it (AMQP 1.0 §2.6.7)."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.support.driven import Driven, Taker
from tests.support.timed import Timed

from batonmq.broker import Queue
from batonmq.message import Message
from batonmq.queued import QueuedMessage


class Link(Taker):
    """Takes exactly as many messages as it has credit for; settling gives it none. Its socket may be full."""

    def __init__(self, driven: Driven, credit: int, tag: str = "", *, priority: int = 0, wanted: str = "") -> None:
        queue = driven.operations.find_queue("q")
        super().__init__(queue, tag, 0, no_ack=False, priority=priority)
        self.credit = credit
        self.is_blocked = False
        self.drains: list[int] = []
        if wanted:
            self.selector = Wanted(wanted)
        driven.operations.subscribe(queue, self)

    def deliver(self, queued: QueuedMessage) -> bool:
        assert not self.is_blocked
        self.credit -= 1
        assert self.credit >= 0
        super().deliver(queued)
        return self.has_room()

    def room(self) -> int:
        return 0 if self.is_blocked else self.credit

    def has_room(self) -> bool:
        return self.room() > 0

    def is_used_up(self) -> bool:
        return self.credit == 0

    def drained(self) -> None:
        self.drains.append(len(self.seen))
        # As the protocol does with what is left.
        self.credit = 0

    def flow(self, credit: int, *, drain: bool = True) -> None:
        self.credit = credit
        if self.has_room():
            self.queue.offer(self)
        if drain:
            self.queue.drain(self)


class Wanted:
    """Wants bodies that begin with a letter."""

    def __init__(self, letter: str) -> None:
        self._letter = letter.encode()

    def matches(self, message: Message) -> bool:
        return message.body.startswith(self._letter)


def fill(driven: Driven, bodies: str) -> Queue:
    queue = driven.queue()
    for body in bodies:
        driven.publish(body)
    driven.settle()
    return queue


@pytest.mark.parametrize(("credit", "seen"), [(1, "a"), (2, "ab"), (3, "ab")])
def test_it_is_told_in_the_same_turn(driven: Timed, credit: int, seen: str) -> None:
    fill(driven, "ab")
    link = Link(driven, 0)
    link.flow(credit)
    assert link.drains == []
    driven.broker.end_turn()
    assert "".join(link.seen) == seen
    assert link.drains == [len(seen)]
    driven.settle()
    assert link.drains == [len(seen)]


def test_credit_alone_brings_so_many_and_settling_no_more(driven: Timed) -> None:
    fill(driven, "abcde")
    link = Link(driven, 2)
    driven.settle()
    link.accept(2)
    driven.settle()
    assert "".join(link.seen) == "ab"
    link.flow(2, drain=False)
    driven.settle()
    assert "".join(link.seen) == "abcd"
    assert link.drains == []


def test_an_empty_queue_says_so_each_time_it_is_asked(driven: Timed) -> None:
    fill(driven, "")
    link = Link(driven, 0)
    for asked in (1, 2):
        link.flow(5)
        driven.settle()
        assert link.drains == [0] * asked
    driven.publish("late")
    driven.settle()
    # Draining has used up its credit.
    assert link.seen == []


def test_what_waits_in_the_store_comes_first(tmp_path: Path) -> None:
    driven = Driven(tmp_path / "store")
    queue = driven.queue()
    for number in range(400):
        driven.publish(str(number), size=1_024)
    driven.settle()
    assert queue.lane.paged > 200
    link = Link(driven, 0)
    link.flow(1_000)
    driven.broker.end_turn()
    assert len(link.seen) < 400
    assert link.drains == []
    driven.settle()
    assert (len(link.seen), link.drains) == (400, [400])


def test_a_store_that_has_less_than_was_thought_ends_it(tmp_path: Path) -> None:
    driven = Driven(tmp_path / "store")
    queue = driven.queue()
    for number in range(400):
        driven.publish(str(number), size=1_024)
    driven.settle()
    # As after an unclean end, whose counts are estimates.
    queue.lane.paged += 7
    link = Link(driven, 0)
    link.flow(1_000)
    driven.settle()
    assert (len(link.seen), link.drains) == (400, [400])


def test_what_others_want_is_nothing_to_it(driven: Timed) -> None:
    fill(driven, "abab")
    link = Link(driven, 0, wanted="a")
    link.flow(9)
    driven.broker.end_turn()
    assert ("".join(link.seen), link.drains) == ("aa", [2])


def test_a_long_search_is_waited_for(tmp_path: Path) -> None:
    driven = Driven(tmp_path / "store")
    driven.queue()
    for number in range(3_000):
        driven.publish(f"b{number}")
    driven.publish("a")
    driven.settle()
    link = Link(driven, 0, wanted="a")
    link.flow(9)
    driven.broker.end_turn()
    assert link.drains == []
    driven.settle()
    assert (link.seen, link.drains) == (["a"], [1])


def test_a_group_in_other_hands_is_not_waited_for(driven: Timed) -> None:
    driven.queue()
    for _ in range(2):
        driven.publish("m", {"x-group": "g"})
    first = Link(driven, 1, "first")
    driven.settle()
    assert len(first.seen) == 1
    link = Link(driven, 0)
    link.flow(5)
    driven.settle()
    assert (link.seen, link.drains) == ([], [0])


def test_whoever_is_not_active_gets_nothing(driven: Timed) -> None:
    driven.queue(x_single_active_consumer=True)
    driven.publish("m")
    active, other = Link(driven, 0, "active"), Link(driven, 0, "other")
    other.flow(1)
    driven.settle()
    assert (other.seen, other.drains) == ([], [0])
    active.flow(2)
    driven.settle()
    assert (active.seen, active.drains) == (["m"], [1])


def test_a_queue_that_is_paused_has_nothing(driven: Timed) -> None:
    queue = fill(driven, "a")
    queue.pause(True)
    link = Link(driven, 0)
    link.flow(5)
    driven.settle()
    assert (link.seen, link.drains) == ([], [0])


def test_others_are_served_first_and_it_learns_that_nothing_is_left(driven: Timed) -> None:
    fill(driven, "ab")
    first, link = Link(driven, 0, "first", priority=5), Link(driven, 0)
    link.flow(5)
    first.flow(5, drain=False)
    driven.settle()
    assert ("".join(first.seen), link.seen, link.drains, first.drains) == ("ab", [], [0], [])


def test_a_socket_that_is_full_is_waited_for(driven: Timed) -> None:
    fill(driven, "ab")
    link = Link(driven, 0)
    link.is_blocked = True
    link.flow(5)
    driven.settle()
    assert (link.seen, link.drains) == ([], [])
    link.is_blocked = False
    link.queue.offer(link)
    driven.settle()
    assert ("".join(link.seen), link.drains) == ("ab", [2])


def test_whoever_leaves_is_told_nothing(driven: Timed) -> None:
    fill(driven, "")
    link = Link(driven, 0)
    link.flow(5)
    link.queue.unsubscribe(link)
    driven.settle()
    assert link.drains == []


def test_whoever_does_not_drain_any_more_is_told_nothing(driven: Timed) -> None:
    fill(driven, "")
    link = Link(driven, 0)
    link.flow(5)
    link.queue.stop_draining(link)
    driven.settle()
    assert link.drains == []


def test_a_queue_that_is_deleted_tells_nobody(driven: Timed) -> None:
    queue = fill(driven, "")
    link = Link(driven, 0)
    link.is_blocked = True
    link.flow(5)
    driven.operations.delete_queue("q")
    driven.settle()
    assert (link.drains, link.is_cancelled, len(queue.draining)) == ([], True, 0)


def test_one_that_expires_is_none(driven: Timed) -> None:
    driven.queue(x_message_ttl=1_000)
    driven.publish("m")
    driven.settle()
    link = Link(driven, 0)
    driven.clock.now += 2
    link.flow(5)
    driven.broker.end_turn()
    assert (link.seen, link.drains) == ([], [0])
