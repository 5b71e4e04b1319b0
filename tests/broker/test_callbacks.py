"""Callbacks once the store has been read on: many that take long are spread over turns, and all have theirs."""

from __future__ import annotations

from tests.support.driven import Driven, HandClock


def test_callbacks_that_take_long_share_the_turns() -> None:
    driven = Driven()
    broker = driven.broker
    clock = broker.clock
    assert isinstance(clock, HandClock)
    called: list[int] = []

    def call(number: int) -> None:
        called.append(number)
        clock.now += 0.01
        if number == 0 and called.count(0) < 3:
            broker.when_read(lambda: call(0))

    for number in range(4):
        broker.when_read(lambda number=number: call(number))  # type: ignore[misc]
    for turn in range(1, 7):
        broker.end_turn()
        assert len(called) == turn
    # One that asks again goes behind the others.
    assert called == [0, 1, 2, 3, 0, 0]
    broker.end_turn()
    assert len(called) == 6


def test_callbacks_that_are_quick_are_called_in_one_turn() -> None:
    driven = Driven()
    called: list[int] = []
    for number in range(50):
        driven.broker.when_read(lambda number=number: called.append(number))  # type: ignore[misc]
    driven.broker.end_turn()
    assert called == list(range(50))
