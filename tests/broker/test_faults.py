"""A fault of ours in one queue's work costs that queue a turn, and the others nothing."""

from __future__ import annotations

import logging
from pathlib import Path

import apsw
import pytest
from tests.support.driven import Taker
from tests.support.timed import Timed

import batonmq
from batonmq.broker.model.faults import STRIKES
from batonmq.broker.queues.queue import Queue
from batonmq.errors import StoreError
from batonmq.fields import FieldValue
from batonmq.queued import QueuedMessage


@pytest.fixture
def driven(tmp_path: Path) -> Timed:
    return Timed(tmp_path / "store")


class Broken(Taker):
    """Fails when it has taken so many messages, as long as it is told to."""

    fails_at = 2

    def deliver(self, queued: QueuedMessage) -> bool:
        room = super().deliver(queued)
        if len(self.seen) == self.fails_at:
            raise ZeroDivisionError("of the consumer")
        return room


def broken(driven: Timed, name: str, prefetch: int = 5) -> Broken:
    taker = Broken(driven.operations.find_queue(name), "", prefetch, no_ack=False, priority=0)
    driven.operations.subscribe(taker.queue, taker)
    return taker


@pytest.mark.parametrize("arguments", [{}, {"x_message_ttl": 60_000}, {"x_group_header": "g"}])
def test_others_of_the_turn_are_served_and_nothing_is_lost(driven: Timed, arguments: dict[str, FieldValue]) -> None:
    first = driven.queue("first", durable=True, **arguments)
    driven.queue("second")
    taker = broken(driven, "first")
    other = driven.consume("second", prefetch=5)
    for body in ("a", "b", "c"):
        driven.publish(body, {"g": body}, queue="first")
        driven.publish(body, queue="second")
    driven.settle()
    assert other.seen == ["a", "b", "c"]
    driven.wait(1.1)
    # What the consumer was given before the fault is its own, or comes again with a mark; none is there twice.
    assert first.ready_count + first.unsettled == 3
    # As protocols give back what a client holds: to whom each delivery belongs by now.
    held, taker.held = taker.held, []
    taker.leave()
    for queued in reversed(held):
        queued.settlement.release([queued])
    driven.settle()
    heir = driven.consume("first", prefetch=9)
    driven.settle()
    assert sorted(heir.seen) == ["a", "b", "c"]
    assert all(queued.return_count for queued in heir.held if queued.message.body.decode() in taker.seen)
    heir.accept(3)
    driven.settle()
    assert (first.ready_count, first.unsettled) == (0, 0)
    driven.crash()
    assert driven.bodies("first") == []


@pytest.mark.parametrize("overflow", ["drop-head", "reject-publish"])
def test_whoever_publishes_does_not_meet_a_fault_of_a_full_queue(driven: Timed, overflow: str) -> None:
    queue = driven.queue("first", x_max_length=1, x_overflow=overflow)
    driven.publish("a", queue="first")
    broken(driven, "first")
    driven.publish("b", queue="first")
    driven.publish("c", queue="first")
    assert queue.has_room_for(1) == (overflow == "drop-head" or not queue.ready_count)
    driven.settle()
    assert queue.ready_count + queue.unsettled >= 2


@pytest.mark.skipif(batonmq.compiled, reason="what is compiled cannot be made to fail")
def test_a_queue_that_fails_again_and_again_is_set_aside_and_the_fault_logged_once(
    driven: Timed, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    queue = driven.queue(x_message_ttl=60_000)
    driven.queue("innocent")
    expire = type(queue.expiry).expire
    tries = 0

    def failing(expiry: object) -> None:
        nonlocal tries
        tries += 1
        raise TypeError("of the queue")

    monkeypatch.setattr(type(queue.expiry), "expire", failing)
    driven.publish("a")
    driven.settle()
    for _ in range(10):
        driven.wait(1.1)
        driven.publish("b", queue="innocent")
    assert tries == STRIKES
    assert driven.bodies("innocent") == ["b"] * 10
    faults = [record for record in caplog.records if record.levelno == logging.ERROR and record.exc_info]
    assert len(faults) == 1
    assert "'q'" in faults[0].getMessage()
    assert (queue.paused, queue.fault) == (True, "TypeError: of the queue")
    monkeypatch.setattr(type(queue.expiry), "expire", expire)
    driven.publish("later")
    driven.operations.pause_queue("q", paused=False)
    assert driven.bodies() == ["a", "later"]
    assert queue.fault == ""


@pytest.mark.parametrize("how", ["deleted", "restarted"])
def test_being_set_aside_ends(driven: Timed, how: str) -> None:
    queue = driven.queue()
    driven.publish("a")
    driven.settle()
    queue.set_aside("TypeError: some")
    assert driven.consume().seen == []
    if how == "deleted":
        driven.operations.delete_queue("q")
        driven.queue()
        driven.publish("a")
    else:
        driven.settle()
        driven.broker.close()
        driven.start()
    assert driven.bodies() == ["a"]


def test_a_chore_that_fails_leaves_those_of_other_queues(driven: Timed, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("bad", "good"):
        driven.queue(name)
        driven.publish(name, {"x-delay": 1_000}, queue=name)
    bad = driven.operations.find_queue("bad")
    release = type(bad.delays)._release  # type: ignore[union-attr]

    def failing(delays: object, queued: QueuedMessage, *rest: int) -> None:
        if queued.message.body == b"bad" and driven.clock.now < 1_003:
            raise KeyError("of the delays")
        release(delays, queued, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(type(bad.delays), "_release", failing)
    driven.wait(1.1)
    assert driven.bodies("good") == ["good"]
    # Its row is still in the store.
    driven.crash()
    driven.wait(5)
    assert driven.bodies("bad") == ["bad"]


class Waiter:
    """Waits for a commit."""

    def __init__(self, driven: Timed, *, fails: bool) -> None:
        self.fails = fails
        self.told: list[int] = []
        driven.broker.commits.wait(self)

    def batch_committed(self, batch: int) -> None:
        self.told.append(batch)
        if self.fails:
            raise ValueError("of the session")

    def batch_failed(self, batch: int, error: StoreError) -> None:
        self.batch_committed(-batch)


@pytest.mark.parametrize("is_full", [False, True])
def test_one_who_fails_to_take_a_confirm_does_not_keep_it_from_others(driven: Timed, is_full: bool) -> None:
    driven.queue()
    driven.settle()
    driven.publish("a")
    waiters = [Waiter(driven, fails=number == 1) for number in range(3)]
    if is_full:
        driven.fail()
    else:
        driven.settle()
    assert [len(waiter.told) for waiter in waiters] == [1, 1, 1]


def test_a_timer_that_fails_leaves_the_others(driven: Timed) -> None:
    called: list[int] = []
    driven.broker.scheduler.timetable.after(1, lambda: called.append(1 // 0))
    driven.broker.scheduler.timetable.after(1, lambda: called.append(1))
    driven.wait(1.1)
    assert called == [1]


@pytest.mark.parametrize(
    "damage",
    [
        *("body = NULL", "body = 'text'", "body = 7"),
        *("properties = x'ff'", "properties = x''", "properties = x'b00000'"),
        *("deliveries = 9223372036854775807", "deliveries = -1"),
    ],
)
@pytest.mark.parametrize("where", ["first", "middle", "last", "all"])
def test_rows_that_are_no_message_are_left_out(
    driven: Timed, damage: str, where: str, caplog: pytest.LogCaptureFixture
) -> None:
    driven.queue()
    driven.queue("innocent")
    names = [str(number) for number in range(100)]
    for name in names:
        driven.publish(name, size=1_000)
    driven.settle()
    driven.broker.close()
    database = apsw.Connection(str(driven.path))
    rows = [row for (row,) in database.execute("SELECT id FROM message ORDER BY id")]
    hurt = {"first": rows[:1], "middle": rows[40:42], "last": rows[-1:], "all": rows}[where]
    database.execute(f"UPDATE message SET {damage} WHERE id BETWEEN ? AND ?", (hurt[0], hurt[-1]))
    database.close()
    driven.start()
    queue: Queue = driven.operations.find_queue("q")
    taker = driven.consume(prefetch=1_000)
    driven.publish("after")
    driven.publish("b", queue="innocent")
    driven.settle()
    expected = [name for name, row in zip(names, rows, strict=True) if row not in hurt]
    assert taker.seen == [*expected, "after"]
    assert driven.bodies("innocent") == ["b"]
    assert (queue.ready_count, queue.lane.paged) == (0, 0)
    assert sum("cannot be read" in record.getMessage() for record in caplog.records) == len(hurt)
    assert not driven.broker.store.busy


@pytest.mark.parametrize("time", ["'text'", "x'ff'", "9223372036854775807"])
def test_a_time_to_live_that_is_none_costs_the_queue_nothing(
    driven: Timed, time: str, caplog: pytest.LogCaptureFixture
) -> None:
    driven.queue(x_message_ttl=60_000)
    for number in range(20):
        driven.publish(str(number))
    driven.settle()
    driven.broker.close()
    database = apsw.Connection(str(driven.path))
    database.execute(f"UPDATE message SET expires = {time}, checksum = NULL")
    database.close()
    driven.start()
    driven.wait(61)
    driven.publish("after")
    driven.settle()
    assert driven.bodies() == [*map(str, range(20)), "after"]
    assert not caplog.records
