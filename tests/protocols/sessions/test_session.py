"""The parts of a session at work together, under a protocol of words."""

from __future__ import annotations

from pathlib import Path

import pytest

import batonmq
from batonmq.broker.model import turn_time
from batonmq.protocols.sessions.output import OUTPUT_MAX
from batonmq.protocols.sessions.standing import FINISHED
from tests.protocols.sessions.speaker import Speaker
from tests.support.timed import Timed


@pytest.fixture
def timed(tmp_path: Path) -> Timed:
    """A disk that can fail."""
    return Timed(tmp_path / "store.db")


@pytest.fixture
def speaker(timed: Timed) -> Speaker:
    return Speaker(timed)


def test_requests_are_done_in_order_and_runs_in_one_piece(speaker: Speaker) -> None:
    speaker.say("a", "a", "b", "a")
    assert speaker.said() == ["a*2", "b*1", "a*1"]


def test_a_refused_request_does_not_keep_the_next_from_being_done(speaker: Speaker) -> None:
    speaker.say("wrong", "a", "missing", "b")
    assert speaker.said() == ["refused wrong", "a*1", "refused missing", "b*1"]


def test_a_fault_of_the_brokers_own_ends_the_connection_and_is_logged(
    speaker: Speaker, caplog: pytest.LogCaptureFixture
) -> None:
    speaker.say("a", "bug", "b")
    assert speaker.said() == ["a*1"]
    assert speaker.link.output.finished
    assert "told to fail" in caplog.text


def test_what_comes_after_the_end_does_not_count(speaker: Speaker) -> None:
    speaker.say("a", "bye", "b")
    speaker.say("c")
    speaker.session.go_on()
    assert speaker.said() == ["a*1"]


def test_a_reply_of_what_must_last_waits_for_the_disk_and_so_does_what_follows(timed: Timed, speaker: Speaker) -> None:
    speaker.say("declare", "a")
    speaker.say("b")
    assert speaker.said() == []
    timed.settle()
    assert speaker.said() == ["declared", "a*1", "b*1"]
    # There already: nothing to wait for.
    speaker.say("declare")
    assert speaker.said() == ["declared"]


def test_who_waits_for_a_disk_that_fails_is_told(timed: Timed, speaker: Speaker) -> None:
    speaker.say("declare", "a")
    timed.fail()
    assert speaker.said() == ["a*1"]
    # By the batch, and by what waited for it.
    assert len(speaker.failed) == 2


def test_a_client_that_has_gone_is_not_told_but_what_it_did_may_be_undone(timed: Timed, speaker: Speaker) -> None:
    speaker.say("declare")
    speaker.session.connection_lost()
    assert not speaker.is_apart
    timed.fail()
    assert speaker.said() == []
    assert len(speaker.failed) == 2
    assert speaker.is_apart


def test_reading_on_suspends_too(timed: Timed, speaker: Speaker) -> None:
    speaker.say("read", "a")
    assert speaker.said() == []
    timed.settle()
    assert speaker.said() == ["read", "a*1"]


def test_output_is_held_until_its_batch_is_committed(timed: Timed, speaker: Speaker) -> None:
    barrier = speaker.link.barrier
    timed.queue("q")
    batch = timed.broker.store.batch
    barrier.hold(batch)
    assert barrier.held_for
    # Another delivery that joins in would put them off by a commit: it is the last.
    assert speaker.link.output.unsent == 0
    barrier.hold(batch + 1)
    assert speaker.link.output.unsent >= speaker.link.output.limit
    timed.settle()
    timed.queue("r")
    timed.settle()
    assert not barrier.held_for


def test_requests_wait_while_the_output_is_full(speaker: Speaker) -> None:
    speaker.link.output.count(OUTPUT_MAX)
    speaker.say("a", "b")
    assert speaker.link.intake.waiting
    assert speaker.said() == ["a*1"]
    speaker.session.go_on()
    assert speaker.said() == ["b*1"]
    assert not speaker.link.intake.waiting


@pytest.mark.skipif(batonmq.compiled, reason="numbers that are compiled cannot be replaced")
def test_a_slow_request_is_the_last_of_a_share_that_is_used_up(
    speaker: Speaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turn_time, "SHARE_SECONDS", 0.0)
    speaker.say("slow", "a", "b")
    assert speaker.said() == ["slow*1"]
    speaker.session.go_on()
    assert speaker.said() == ["a*1", "b*1"]


def test_a_session_that_nothing_waits_for_parts_at_once(speaker: Speaker) -> None:
    speaker.session.connection_lost()
    assert speaker.is_apart
    assert speaker.link.output.finished


def test_consumers_are_told_of_room(speaker: Speaker) -> None:
    speaker.session.writable(False)
    speaker.session.writable(True)
    assert speaker.room == [False, True]
    speaker.link.output.fill()
    speaker.session.turn_ended()
    assert speaker.room == [False, True, True]


def test_a_broker_that_stops_says_so(speaker: Speaker) -> None:
    speaker.session.shutdown("for repairs")
    assert speaker.said() == ["for repairs"]
    assert speaker.session.standing() & FINISHED
