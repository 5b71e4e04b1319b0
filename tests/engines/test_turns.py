"""A signal's handler that raises leaves no turn of an embedded engine half done."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType

import pytest

import batonmq
from batonmq.engines.embedded.turns import TurnLock
from batonmq.points import POINTS, arm, disarm


class Stop(BaseException):
    """What a handler raises."""


@pytest.fixture(params=["SIGINT", "SIGTERM", "SIGALRM"])
def raising(request: pytest.FixtureRequest) -> Iterator[signal.Signals]:
    """A signal whose handler raises."""

    def handler(number: int, frame: FrameType | None) -> None:
        raise Stop

    number: signal.Signals = getattr(signal, request.param)
    before = signal.signal(number, handler)
    yield number
    disarm()
    signal.signal(number, before)


def _is_struck_at(point: str, number: signal.Signals, call: Callable[[], object]) -> bool:
    """Has the call come to that point, or the engine's own thread, which is first on a busy machine?"""
    main = threading.main_thread()
    struck: list[str] = []

    def strike() -> None:
        if threading.current_thread() is main:
            disarm()
            struck.append(point)
            signal.raise_signal(number)

    arm(point, strike)
    try:
        call()
    except Stop:
        return True
    finally:
        disarm()
    assert not struck, "the handler did not raise"
    return False


@pytest.mark.parametrize(
    "point", ["stage.begun", "stage.rows", "stage.done", "commit.begun", "commit.ready", "commit.done", "commit.told"]
)
def test_a_send_that_is_interrupted_is_done_and_the_next_one_too(
    tmp_path: Path, raising: signal.Signals, point: str
) -> None:
    assert point in POINTS
    with batonmq.connect(tmp_path / "q.db") as mq:
        for _ in range(100):
            mq.declare("q")
            if _is_struck_at(point, raising, lambda: mq.send("q", b"1")):
                break
            mq.delete("q")
        else:
            pytest.fail("no send could be interrupted")
        mq.send("q", b"2")
        assert mq.stats("q").ready == 2
    with batonmq.connect(tmp_path / "q.db") as mq:
        assert [message.body for message in mq.peek("q", 5)] == [b"1", b"2"]


def test_an_operation_that_is_interrupted_is_done_before_the_handler_runs(raising: signal.Signals) -> None:
    done: list[str] = []
    lock = TurnLock()

    def turn() -> None:
        with lock:
            signal.raise_signal(raising)
            done.append("the rest")

    with pytest.raises(Stop):
        turn()
    assert done == ["the rest"]
    with pytest.raises(Stop):
        signal.raise_signal(raising)


def test_handlers_are_set_aside_in_the_main_thread_only(raising: signal.Signals) -> None:
    lock = TurnLock()
    handler = signal.getsignal(raising)
    inside: list[object] = []

    def turn() -> None:
        with lock:
            inside.append(signal.getsignal(raising))

    thread = threading.Thread(target=turn)
    thread.start()
    thread.join()
    assert inside == [handler]
    turn()
    assert inside[1] is not handler
    assert signal.getsignal(raising) is handler


def test_what_the_system_does_with_a_signal_is_left_to_it() -> None:
    before = signal.signal(signal.SIGALRM, signal.SIG_DFL)
    try:
        with TurnLock():
            assert signal.getsignal(signal.SIGALRM) is signal.SIG_DFL
    finally:
        signal.signal(signal.SIGALRM, before)


def test_a_child_that_another_thread_forks_in_a_turn_has_the_handlers(raising: signal.Signals) -> None:
    lock = TurnLock()
    handler = signal.getsignal(raising)
    with lock:
        lock.forked()
        assert signal.getsignal(raising) is handler
