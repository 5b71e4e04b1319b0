"""What the fixtures promise."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

import batonmq
from batonmq.server.broker_server import STORE_NAME
from batonmq.server.failures import StartError
from batonmq.testing import MovableClock, RunningServer

EXAMPLES = Path(__file__).parent.parent.parent / "examples" / "testing"


def test_an_hour_of_time_to_live_passes_at_once(baton: batonmq.Connection, baton_clock: MovableClock) -> None:
    baton.declare("orders", dead_letter="late")
    baton.send("orders", b"17", ttl=3600)
    baton_clock.advance(3500)
    assert (baton.count("orders"), baton.count("late")) == (1, 0)
    baton_clock.advance(101)
    assert (baton.count("orders"), baton.count("late")) == (0, 1)


def test_a_server_that_cannot_start_has_released_everything_when_that_is_told(tmp_path: Path) -> None:
    before = set(threading.enumerate())
    (tmp_path / STORE_NAME).write_bytes(b"not a database" * 1000)
    with pytest.raises(StartError):
        RunningServer(tmp_path).start()
    assert set(threading.enumerate()) <= before


def test_many_messages_expire_in_one_step_of_the_clock(baton: batonmq.Connection, baton_clock: MovableClock) -> None:
    baton.declare("orders", ttl=60)
    baton.send_many("orders", [b""] * 5000)
    baton_clock.advance(61)
    assert baton.count("orders") == 0


def test_time_does_not_go_back(baton_clock: MovableClock) -> None:
    with pytest.raises(ValueError, match="time does not go back"):
        baton_clock.advance(-1)
    with pytest.raises(TypeError, match="not '1'"):
        baton_clock.advance("1")  # type: ignore[arg-type]


def test_the_server_is_a_broker_for_whoever_connects(baton_server: RunningServer) -> None:
    with batonmq.connect(baton_server.url) as mq, batonmq.connect(baton_server.url) as other:
        mq.declare("orders")
        mq.send("orders", b"17")
        (delivery,) = other.receiver("orders").receive(wait=10)
        assert delivery.body == b"17"


def test_the_server_runs_by_the_same_clock(baton_server: RunningServer, baton_clock: MovableClock) -> None:
    with batonmq.connect(baton_server.url) as mq:
        mq.declare("orders", dead_letter="late")
        mq.send("orders", b"17", ttl=3600)
        baton_clock.advance(3601)
        assert (mq.count("orders"), mq.count("late")) == (0, 1)


def test_the_server_is_ready_soon_and_gone_afterwards(tmp_path: Path) -> None:
    took: list[float] = []
    # 0.2 s is the promise on a machine that has nothing else to do, and has read the files; others are asked again.
    while min(took, default=1.0) >= 1.0 and len(took) < 20:
        began = time.perf_counter()
        with RunningServer(tmp_path / str(len(took))) as server:
            took.append(time.perf_counter() - began)
            socket.create_connection((server.host, server.port)).close()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((server.host, server.port))
    assert min(took) < 1.0


def test_a_server_that_is_started_again_has_its_messages(tmp_path: Path) -> None:
    for sends in (True, False):
        with RunningServer(tmp_path / "data") as server, batonmq.connect(server.url) as mq:
            if sends:
                mq.declare("orders")
                mq.send("orders", b"17")
            else:
                assert mq.count("orders") == 1


@pytest.mark.parametrize("example", sorted(EXAMPLES.glob("test_*.py")), ids=lambda path: path.stem)
def test_the_worked_examples_run_as_they_stand(example: Path) -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "batonmq.testing.plugin", "-p", "no:cacheprovider"]
    # Loaded by its name alone: the entry point, where the package was installed since, would be a second time.
    environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    command += ["-c", os.devnull, "--rootdir", str(EXAMPLES), str(example)]
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr


def test_a_run_that_uses_none_of_it_reads_none_of_it() -> None:
    program = "import sys, batonmq.testing.plugin; print([name for name in sys.modules if name == 'batonmq.broker'])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
