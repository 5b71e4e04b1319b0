"""Events: what is told, in which order, how much of it is kept, and that a watcher disturbs nobody."""

from __future__ import annotations

import logging

import pytest
from tests.support.asking import ask
from tests.support.timed import Timed

from batonmq.broker.model.events import KEPT, TEXT_MAX, Event, Events
from batonmq.clock import Clock
from batonmq.errors import StoreError


@pytest.fixture
def told(driven: Timed) -> list[Event]:
    events: list[Event] = []
    driven.broker.events.listen(events.append)
    return events


def kinds(events: list[Event]) -> list[str]:
    return [event.kind for event in events]


def test_what_becomes_of_a_queue_is_told(driven: Timed, told: list[Event]) -> None:
    driven.queue()
    ask(driven, "queues.pause", queue="q")
    ask(driven, "queues.pause", queue="q")
    ask(driven, "queues.resume", queue="q")
    ask(driven, "queues.change", queue="q", arguments={"x-max-length": 1})
    ask(driven, "policies.set", name="p", pattern=".", definition={"max-length": 5})
    ask(driven, "policies.clear", name="p")
    ask(driven, "queues.delete", queue="q")
    assert kinds(told) == [
        "queue.declared",
        "queue.paused",
        "queue.resumed",
        "queue.changed",
        "policy.set",
        "policy.cleared",
        "queue.deleted",
    ]
    assert {event.vhost for event in told} == {"/"}
    assert [event.number for event in told] == list(range(told[0].number, told[0].number + 7))
    assert told[3].details == {"queue": "q", "arguments": ["x-max-length"]}


def test_a_move_is_told_when_it_begins_goes_on_and_ends(driven: Timed, told: list[Event]) -> None:
    driven.queue()
    driven.queue("to")
    for number in range(1_200):
        driven.publish(f"m{number}")
    driven.settle()
    told.clear()
    done: list[int] = []
    driven.operations.move_messages("q", "to", lambda sweep: done.append(sweep.count))
    while not done:
        driven.turn()
        driven.clock.now += 0.6
    assert kinds(told) == ["messages.begun", "messages.progress", "messages.done"]
    assert {event.details["sweep"] for event in told} == {told[0].number}
    assert told[-1].details == {
        "operation": "move",
        "sweep": told[0].number,
        "queue": "q",
        "count": 1_200,
        "skipped": 0,
        "to": "to",
    }


def test_a_failing_disk_raises_an_alarm_and_clears_it(stored: Timed) -> None:
    told: list[Event] = []
    stored.queue()
    stored.settle()
    stored.broker.events.listen(told.append)
    for _ in range(2):
        stored.publish("m")
        stored.fail()
    stored.attempt()
    assert kinds(told) == ["alarm.raised", "alarm.cleared"]
    assert told[0].details["alarm"] == "store"


def test_nothing_is_told_of_messages(driven: Timed, told: list[Event]) -> None:
    driven.queue()
    taker = driven.consume(prefetch=9)
    told.clear()
    for number in range(9):
        driven.publish(f"m{number}")
    driven.settle()
    taker.accept(9)
    driven.settle()
    assert told == []


def test_a_listener_that_fails_hears_no_more_and_others_do(
    driven: Timed, told: list[Event], caplog: pytest.LogCaptureFixture
) -> None:
    calls: list[str] = []

    def fails(event: Event) -> None:
        calls.append(event.kind)
        raise StoreError("a fault")

    driven.broker.events.listen(fails)
    with caplog.at_level(logging.ERROR):
        driven.queue("a")
        driven.queue("b")
    assert calls == ["queue.declared"]
    assert kinds(told) == ["queue.declared"] * 2
    assert "a listener failed" in caplog.text


def test_who_comes_back_has_what_was_kept_and_learns_of_a_gap() -> None:
    events = Events(Clock())
    before = events.last
    for _ in range(KEPT + 10):
        events.tell("queue.declared")
    assert events.after(events.last) == ([], True)
    some, is_all = events.after(events.last - 3)
    assert ([event.number - events.last for event in some], is_all) == ([-2, -1, 0], True)
    kept, is_all = events.after(before)
    assert (len(kept), is_all) == (KEPT, False)
    assert events.after(before + 10)[1] is True
    # A number from before a restart, or made up, is not known.
    assert events.after(events.last + 1) == ([], False)
    assert len(events.after(0)[0]) == KEPT


def test_long_texts_are_cut_off() -> None:
    events = Events(Clock())
    told: list[Event] = []
    events.listen(told.append)
    events.tell("connection.opened", name="x" * 10 * TEXT_MAX)
    assert told[0].details["name"] == "x" * TEXT_MAX + "..."
