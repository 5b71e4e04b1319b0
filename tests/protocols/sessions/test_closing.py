"""The end of a connection whose protocol has a close that is answered."""

from __future__ import annotations

from pathlib import Path

import pytest
from proof.by_hand import Host

from batonmq.protocols.sessions.closing import CLOSED, CLOSING, OPEN, ClosingConnection
from batonmq.protocols.sessions.link import Link
from tests.support.driven import Driven

PATIENCE = 10.0


class Talker(ClosingConnection):
    """Counts how often what it holds is given back, and how often the client fell silent."""

    def __init__(self, driven: Driven) -> None:
        self.driven = driven
        self.link: Link[str] = Link(driven.broker, Host({}))
        super().__init__(self.link, OPEN - 1, b"beat", PATIENCE)
        self.released = self.silences = 0

    def release(self) -> None:
        self.released += 1

    def fell_silent(self) -> None:
        self.silences += 1

    def open(self) -> None:
        self.state = OPEN

    def tick_after(self, seconds: float) -> None:
        self.driven.clock.now += seconds
        self.tick(self.driven.clock.monotonic())


@pytest.fixture
def talker(tmp_path: Path) -> Talker:
    return Talker(Driven(tmp_path / "store.db"))


def test_a_handshake_that_takes_too_long_ends_the_connection(talker: Talker) -> None:
    talker.tick_after(PATIENCE - 1)
    assert talker.state < OPEN
    talker.tick_after(1)
    assert talker.state == CLOSED
    assert talker.link.output.finished


def test_a_close_that_is_not_answered_is_not_waited_for_longer(talker: Talker) -> None:
    talker.open()
    talker.driven.clock.now += 100
    talker.start_closing()
    talker.tick_after(PATIENCE - 1)
    assert talker.state == CLOSING
    talker.tick_after(1)
    assert talker.state == CLOSED


def test_what_is_held_goes_back_once(talker: Talker) -> None:
    talker.open()
    talker.finish()
    talker.finish()
    talker.lost()
    assert talker.released == 1


def test_what_went_back_before_our_close_does_not_go_back_again(talker: Talker) -> None:
    talker.open()
    talker.release()
    talker.start_closing()
    talker.lost()
    assert (talker.released, talker.state) == (1, CLOSED)


def test_a_connection_is_closed_though_giving_back_fails(talker: Talker, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise RuntimeError("told to fail")

    monkeypatch.setattr(talker, "release", fail)
    with pytest.raises(RuntimeError):
        talker.lost()
    assert talker.state == CLOSED


def test_heartbeats_are_sent_and_missed_ones_noticed(talker: Talker) -> None:
    talker.open()
    talker.link.heartbeats.agree(silence_max=20.0, interval=5.0, late=1.0)
    talker.tick_after(6)
    assert b"".join(talker.link.output.chunks) == b"beat"
    assert talker.silences == 0
    talker.tick_after(30)
    assert talker.silences == 1
