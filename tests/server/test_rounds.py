"""When connections look at the time: each as often as it has to, and not all at once."""

from __future__ import annotations

from collections import Counter

import pytest
from proof.by_hand import HandClock, Host

from batonmq.protocols.sessions.heartbeats import OFTEN, SELDOM, Heartbeats, pace
from batonmq.server.connections import SHARE, Connections, Places
from batonmq.server.rounds import Rounds

MANY = 10_000


class Connected:
    """A connection that counts how often it looks at the time."""

    peer = "there"

    def __init__(self, every: float) -> None:
        self.every = every
        self.looks = 0

    def tick(self, now: float) -> float:
        self.looks += 1
        return self.every

    def users_changed(self, find: object) -> None:
        """It has no rights."""

    def shutdown(self, reason: str) -> None:
        """It has nothing to say."""

    def abort(self) -> None:
        """It has no socket."""


def connected(every: float, number: int) -> tuple[Connections[Connected], list[Connected]]:
    connections: Connections[Connected] = Connections(Places(number))
    made = [Connected(every) for _ in range(number)]
    assert all(map(connections.add, made))
    return connections, made


def rounds_of(connections: Connections[Connected], rounds: int) -> None:
    for number in range(rounds):
        connections.tick()
        while connections.look(number * OFTEN):
            pass


def test_idle_connections_look_at_the_time_as_seldom_as_they_may() -> None:
    connections, made = connected(SELDOM, MANY)
    rounds_of(connections, 1 + int(10 / OFTEN))
    # The first time soon, as they are new; then once in two seconds, where four times a second was usual.
    assert {each.looks for each in made} == {6}


def test_connections_with_short_heartbeats_look_often() -> None:
    connections, made = connected(OFTEN, 10)
    rounds_of(connections, 40)
    assert {each.looks for each in made} == {40}


def test_no_pass_of_the_loop_has_more_than_a_share_of_them_look() -> None:
    connections, made = connected(OFTEN, MANY)
    connections.tick()
    passes = 0
    has_more = True
    while has_more:
        before = sum(each.looks for each in made)
        has_more = connections.look(0.0)
        assert 0 < sum(each.looks for each in made) - before <= SHARE
        passes += 1
    assert passes == -(-MANY // SHARE)
    assert {each.looks for each in made} == {1}


def test_who_was_not_reached_in_a_round_comes_first_in_the_next() -> None:
    connections, made = connected(OFTEN, 2 * SHARE)
    connections.tick()
    assert connections.look(0.0)
    connections.tick()
    assert connections.look(0.0)
    assert {each.looks for each in made} == {1}


def test_who_has_left_looks_no_more_and_is_kept_nowhere() -> None:
    rounds: Rounds[int] = Rounds()
    for member in range(4):
        rounds.join(member)
    rounds.begin()
    seen: Counter[int] = Counter()
    for member in rounds.take(4):
        seen[member] += 1
        rounds.look_again(member, SELDOM if member else OFTEN)
        if not member:
            assert rounds.leave(1)  # it is due, and was not reached
    assert seen == {0: 1, 2: 1, 3: 1}
    assert rounds.leave(0)
    assert rounds.leave(2)
    assert not rounds.leave(2)
    rounds.look_again(2, OFTEN)
    assert list(rounds) == [3]
    for _ in range(8):
        rounds.begin()
    assert list(rounds.take(4)) == [3]


def test_the_pace_goes_by_what_may_be_late() -> None:
    assert pace() == pace(0) == pace(60, 0) == SELDOM
    assert pace(0, 1) == pace(120, 1) == 1
    assert pace(0.1) == OFTEN


@pytest.mark.parametrize(("patience", "often"), [(10, 1.25), (1, OFTEN), (60, SELDOM)])
def test_who_has_not_logged_in_is_looked_at_by_the_time_there_is_for_it(patience: float, often: float) -> None:
    beats = Heartbeats(HandClock(), Host({}))
    beats.await_log_in(patience)
    assert beats.pace == often


def test_whoever_agrees_on_heartbeats_is_looked_at_soon() -> None:
    beats = Heartbeats(HandClock(), host := Host({}))
    beats.await_log_in(10)
    assert (host.wants_tick, beats.pace) == (False, 1.25)
    beats.agree(silence_max=2, interval=0.5, late=0.25)
    assert (host.wants_tick, beats.pace) == (True, OFTEN)


def test_a_connection_may_be_looked_at_in_the_next_round_whatever_it_wanted_before() -> None:
    connections, (first, second) = connected(SELDOM, 2)
    rounds_of(connections, 2)
    assert (first.looks, second.looks) == (1, 1)
    connections.look_soon(first)
    connections.look_soon(first)
    rounds_of(connections, 1)
    assert (first.looks, second.looks) == (2, 1)
    rounds_of(connections, 8)
    assert (first.looks, second.looks) == (3, 2)
    connections.remove(first)
    connections.look_soon(first)
    rounds_of(connections, 8)
    assert (first.looks, second.looks) == (3, 3)


@pytest.mark.parametrize("heartbeat", [1, 2, 10, 60, 600])
def test_a_heartbeat_comes_in_time_however_seldom_the_time_is_looked_at(heartbeat: int) -> None:
    beats = Heartbeats(clock := HandClock(), Host({}))
    beats.agree(silence_max=2 * heartbeat, interval=heartbeat / 2, late=heartbeat / 4)
    beats.tick(clock.now, is_suspended=False)
    beats.said()  # just after the look
    now = said = clock.now
    while not beats.is_due(now):
        now += beats.pace
        beats.tick(now, is_suspended=False)
    assert heartbeat / 2 <= now - said <= max(heartbeat * 3 / 4, heartbeat / 2 + 2 * OFTEN)
