"""The small parts of a session, each by itself."""

from __future__ import annotations

import pytest
from proof.by_hand import Host

from batonmq.errors import NotFound
from batonmq.protocols.sessions.heartbeats import Heartbeats
from batonmq.protocols.sessions.output import UNSENT_MAX, Output
from batonmq.protocols.sessions.quota import Quota
from batonmq.protocols.sessions.routes import ROUTES_MAX, Routes
from batonmq.protocols.sessions.turn_end import TurnEnd
from batonmq.protocols.sessions.unconfirmed import Unconfirmed
from tests.support.driven import Driven, HandClock


@pytest.fixture
def host() -> Host:
    return Host({})


# Output


def test_output_has_room_again_when_it_was_taken(host: Host) -> None:
    output = Output(host)
    output.send(b"x" * UNSENT_MAX)
    assert output.take(is_suspended=False)
    assert output.unsent == 0
    output.send(b"x")
    assert not output.take(is_suspended=False)


def test_while_the_client_does_not_read_there_is_no_room(host: Host) -> None:
    output = Output(host)
    output.writable(False)
    assert output.unsent >= output.limit
    output.writable(True)
    assert output.unsent < output.limit


def test_what_is_said_behind_waits_for_the_answer_before_it(host: Host) -> None:
    output = Output(host)
    output.send_behind(b"notice")
    output.take(is_suspended=True)
    assert output.chunks == []
    output.send(b"answer ")
    output.take(is_suspended=False)
    assert b"".join(output.chunks) == b"answer notice"


def test_a_full_output_takes_no_deliveries_until_it_is_taken(host: Host) -> None:
    output = Output(host)
    output.fill()
    assert output.unsent >= output.limit
    assert output.take(is_suspended=False)
    assert output.unsent < output.limit


# The end of the turn


def test_who_waits_for_the_end_of_the_turn_is_called_once(host: Host) -> None:
    class Waiting:
        calls = 0

        def turn_ended(self) -> None:
            self.calls += 1

    turn_end, waiting = TurnEnd(host), Waiting()
    turn_end.wait(waiting)
    turn_end.wait(waiting)
    turn_end.run()
    turn_end.run()
    assert waiting.calls == 1
    turn_end.wait(waiting)
    turn_end.clear()
    turn_end.run()
    assert waiting.calls == 1


# Heartbeats


@pytest.fixture
def beats() -> Heartbeats:
    beats = Heartbeats(HandClock(), Host({}))
    beats.agree(silence_max=10, interval=4, late=1)
    return beats


def test_a_client_that_is_heard_is_not_silent(beats: Heartbeats) -> None:
    beats.tick(1_009, is_suspended=False)
    beats.heard()
    beats.tick(1_010, is_suspended=False)
    assert not beats.silence(1_020)
    assert beats.silence(1_021) == 11


def test_a_client_that_is_not_read_from_is_not_silent(beats: Heartbeats) -> None:
    beats.tick(1_050, is_suspended=True)
    assert not beats.silence(1_060)


def test_a_heartbeat_is_due_when_nothing_else_was_said(beats: Heartbeats) -> None:
    assert not beats.is_due(1_003)
    assert beats.is_due(1_004)
    assert not beats.is_due(1_007)
    beats.said()
    beats.tick(1_007, is_suspended=False)
    assert not beats.is_due(1_010)
    assert beats.is_due(1_011)


def test_where_none_are_agreed_on_none_are_due_or_missed() -> None:
    beats = Heartbeats(HandClock(), Host({}))
    assert not beats.is_due(9_000)
    assert not beats.silence(9_000)
    assert beats.age(1_005) == 5


# What waits for the store


def test_what_waits_comes_back_in_order_up_to_the_batch() -> None:
    waiting: Unconfirmed[str] = Unconfirmed()
    assert not waiting
    for batch, what in ((1, "a"), (1, "b"), (2, "c"), (4, "d")):
        waiting.add(batch, what)
    waiting.replace_last("e")
    waiting.add_cumulative(4, "f")
    waiting.add_cumulative(5, "g")
    assert waiting.take(2) == ["a", "b", "c"]
    assert waiting.take(3) == []
    assert waiting.take(4) == ["f"]
    assert waiting.take(5) == ["g"]
    assert not waiting


# Transactions


def test_a_quota_is_taken_and_given_back() -> None:
    quota = Quota(10)
    assert quota.take(6)
    assert not quota.take(5)
    assert quota.take(4)
    quota.give_back(6)
    assert quota.take(5)


# Routes


def test_a_route_is_looked_up_once_until_something_changes() -> None:
    driven = Driven()
    driven.queue("q")
    routes = Routes(driven.operations)
    route = routes.find("", "q")
    assert routes.find("", "q") is route
    driven.queue("other")
    assert routes.find("", "q") is not route
    with pytest.raises(NotFound):
        routes.find("none", "q")


def test_a_publisher_of_many_addresses_does_not_fill_the_memory() -> None:
    routes = Routes(Driven().operations)
    for number in range(ROUTES_MAX + 10):
        routes.find("", str(number))
    assert len(routes._known) <= ROUTES_MAX
