"""The examples of the Python API, on every engine by nothing but its URL."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from itertools import islice

import pytest

from batonmq.testing.contract import Place
from tests.support.markdown import ROOT

Run = Callable[[str], list[str]]


def example(name: str, place: Place) -> str:
    """A program, with queues of its own: others may use the same broker, and would not like these names."""
    text = (ROOT / "examples" / name).read_text(encoding="utf-8")
    for queue in ("orders", "orders.dead", "parcels", "parcels.broken", "prices"):
        text = text.replace(f'"{queue}"', f'"{place.queue()}"')
    inboxes = {user: place.queue() for user in ("ann", "bob")}
    return text.replace('f"inbox.{user}"', f"{inboxes}[user]")


def line_by_line(text: str, *, flush: bool = False) -> None:
    """`print` writes a line in two pieces, between which another thread may write its own."""
    sys.stdout.write(f"{text}\n")


@pytest.fixture
def run(place: Place, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs an example in this process; what it printed, line by line, in the order of letters."""

    def run(name: str) -> list[str]:
        monkeypatch.setattr(sys, "argv", [name, place.url])
        exec(compile(example(name, place), name, "exec"), {"__name__": "__main__", "print": line_by_line})
        return sorted(capsys.readouterr().out.splitlines())

    return run


@pytest.mark.skipif(sys.platform == "win32", reason="signals as POSIX has them")
def test_the_work_queue(place: Place) -> None:
    command = [sys.executable, "-c", example("work_queue.py", place), place.url]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as worker:
        assert worker.stdout is not None
        # One that hangs is ended, and says less.
        watchdog = threading.Timer(60, worker.kill)
        watchdog.start()
        # Kafka's engine logs a notice, too.
        lines = list(islice((line for line in worker.stdout if line.startswith("order ")), 10))
        worker.send_signal(signal.SIGINT)
        assert worker.wait() == 0
        watchdog.cancel()
    assert sorted(lines) == [f"order {number}, attempt 1\n" for number in range(10)]


def test_request_and_reply(place: Place, run: Run) -> None:
    with place.connect() as mq:
        can = mq.capabilities
    if not can.request:
        pytest.skip(f"{can.engine}: mq.capabilities.request is False")
    assert run("request_reply.py") == ["4.20 for article 17"]


@pytest.mark.usefixtures("quiet_worker")
def test_a_worker_with_retries(run: Run) -> None:
    printed = ["book: on its way", "lamp: on its way", "set aside: vase", *["vase: it is broken"] * 3]
    assert run("retries.py") == printed


def test_notifications(run: Run) -> None:
    assert run("inboxes.py") == [
        "ann: good night",
        "ann: order 17 is on its way",
        "ann: the disk is full",
        "bob: good night",
        "bob: the disk is full",
    ]
