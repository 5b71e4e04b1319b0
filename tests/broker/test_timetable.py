"""The timetable: calls in the order of their time, and no memory for those that were taken back."""

from __future__ import annotations

from tests.support.driven import HandClock

from batonmq.broker.model.timetable import Timetable


def run(timetable: Timetable) -> None:
    for call in timetable.due():
        call()


def test_calls_come_in_the_order_of_their_time() -> None:
    clock = HandClock()
    timetable = Timetable(clock)
    called: list[str] = []
    timetable.after(2, lambda: called.append("second"))
    timetable.after(1, lambda: called.append("first"))
    timetable.after(3, lambda: called.append("third"))
    clock.now += 2
    run(timetable)
    assert called == ["first", "second"]
    assert timetable.next_due() == clock.now + 1


def test_what_was_taken_back_is_not_called() -> None:
    clock = HandClock()
    timetable = Timetable(clock)
    called: list[str] = []
    timetable.after(1, lambda: called.append("no")).cancel()
    assert timetable.next_due() is None
    clock.now += 2
    run(timetable)
    assert called == []


def test_what_was_taken_back_takes_no_memory_until_its_time() -> None:
    """A queue whose next delayed message is due ever earlier arms its timer anew each time."""
    timetable = Timetable(HandClock())
    for number in range(20_000):
        timetable.after(1_000_000 - number, lambda: None).cancel()
    assert len(timetable._heap) <= 2_048


def test_calls_may_be_added_while_others_are_made() -> None:
    clock = HandClock()
    timetable = Timetable(clock)
    called: list[int] = []

    def add() -> None:
        for number in range(3_000):
            timetable.after(0, lambda: called.append(1)) if number % 2 else timetable.after(0, lambda: None).cancel()

    timetable.after(0, add)
    run(timetable)
    assert len(called) == 1_500
