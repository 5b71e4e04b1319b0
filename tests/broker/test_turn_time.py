"""What clients get of a turn, one by one and all together."""

from __future__ import annotations

import pytest
from tests.support.driven import HandClock

from batonmq.broker.model.turn_time import IN_LINE_SECONDS, LEAST_SECONDS, SHARE_SECONDS, TURN_SECONDS, TurnTime


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


def taken(turn: TurnTime, clock: HandClock) -> float:
    """How long a client is served that wants more than it can get."""
    began = clock.now
    share = turn.share()
    while not share.is_used():
        clock.now += 0.00005
    turn.spend(share)
    return clock.now - began


def test_one_client_gets_a_share(clock: HandClock) -> None:
    assert taken(TurnTime(clock), clock) == pytest.approx(SHARE_SECONDS, abs=0.0001)


def test_all_together_get_a_turn_and_the_least_of_shares(clock: HandClock) -> None:
    turn = TurnTime(clock)
    clients = 100
    assert sum(taken(turn, clock) for _ in range(clients)) < TURN_SECONDS + clients * (LEAST_SECONDS + 0.0001)


def test_the_next_turn_begins_anew(clock: HandClock) -> None:
    turn = TurnTime(clock)
    while turn.left > 0:
        taken(turn, clock)
    turn.begin()
    assert taken(turn, clock) == pytest.approx(SHARE_SECONDS, abs=0.0001)


def test_the_more_stand_in_line_the_less_each_gets(clock: HandClock) -> None:
    turn = TurnTime(clock)
    turn.in_line = 10
    assert taken(turn, clock) == pytest.approx(TURN_SECONDS / 10, abs=0.0001)
    turn.in_line = 1_000
    assert taken(turn, clock) == pytest.approx(IN_LINE_SECONDS, abs=0.0001)
