"""When a connection to a broker is tried again, and who waits for it."""

from __future__ import annotations

import threading

import pytest

import batonmq
from batonmq.engines.amqp10 import uplink as uplinks
from batonmq.engines.amqp10.uplink import Uplink
from batonmq.engines.futures import Future
from batonmq.engines.reconnection import FIRST_PAUSE, LONGEST_PAUSE, Reconnection

SOON = 20.0


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The monotonic time, which the test moves."""
    moment = [100.0]
    monkeypatch.setattr("batonmq.engines.reconnection.monotonic", lambda: moment[0])
    return moment


def test_the_first_attempt_is_the_only_one(now: list[float]) -> None:
    reconnection = Reconnection()
    opening = reconnection.first()
    reconnection.attempted()
    assert reconnection.next_pause() is None
    reconnection.give_up(batonmq.ConnectionLost("away"))
    with pytest.raises(batonmq.ConnectionLost, match="away"):
        opening.get()
    assert not reconnection.is_connecting


def test_later_attempts_come_at_growing_intervals_until_the_time_is_up(now: list[float]) -> None:
    reconnection = Reconnection()
    reconnection.start(60.0)
    pauses = []
    while (pause := reconnection.next_pause()) is not None:
        pauses.append(pause)
        now[0] += pause
    assert pauses[:3] == [FIRST_PAUSE, 2 * FIRST_PAUSE, 4 * FIRST_PAUSE]
    assert max(pauses) == LONGEST_PAUSE
    assert 60.0 <= sum(pauses) <= 60.0 + LONGEST_PAUSE


def test_calls_that_waited_run_in_order_when_there_is_a_connection() -> None:
    done: list[str] = []
    reconnection = Reconnection()
    reconnection.wait(lambda: done.append("first"), Future[None]())
    reconnection.wait(lambda: done.append("second"), Future[None]())
    reconnection.opened(lambda: done.append("users"))
    assert done == ["users", "first", "second"]


def test_calls_that_waited_in_vain_fail_once() -> None:
    waiting = Future[None]()
    reconnection = Reconnection()
    reconnection.wait(lambda: None, waiting)
    reconnection.give_up(batonmq.ConnectionLost("away"))
    reconnection.opened(lambda: None)
    with pytest.raises(batonmq.ConnectionLost, match="away"):
        waiting.get()


def test_a_thread_that_fails_while_it_connects_ends_the_opening(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_args: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(uplinks, "Attempt", fail)
    uplink = Uplink("amqp10://127.0.0.1:1")
    told: list[BaseException] = []

    def open_it() -> None:
        try:
            uplink.open()
        except batonmq.BatonError as error:
            told.append(error)

    thread = threading.Thread(target=open_it, daemon=True)
    thread.start()
    thread.join(SOON)
    assert [type(error) for error in told] == [batonmq.ConnectionLost]
