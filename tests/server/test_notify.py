"""What a service manager hears: on a real socket, from a broker in a process of its own."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from queue import Empty, SimpleQueue

import pytest
from tests.cli.conftest import LONG, serving
from tests.support.markdown import ROOT

from batonmq.server import notify
from batonmq.server.notify import Notifier

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is no systemd")

UNIT = ROOT / "deploy" / "batonmq.service"


class Manager:
    """Hears what is sent to a socket, all the time: what finds it full is lost, and ten words may fill it."""

    def __init__(self, address: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(address)
        self._heard: SimpleQueue[bytes] = SimpleQueue()
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def _listen(self) -> None:
        while said := self._socket.recv(4096):
            self._heard.put(said)

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RD)
        self._thread.join()
        self._socket.close()

    def hear(self, seconds: float = LONG) -> dict[str, str]:
        """The next word. Raises queue.Empty."""
        lines = self._heard.get(timeout=seconds).decode().splitlines()
        return dict(line.split("=", 1) for line in lines)

    def hear_of(self, word: str) -> dict[str, str]:
        """The next word that has this in it."""
        while word not in (heard := self.hear()):
            pass
        return heard


def until_silent(manager: Manager) -> int:
    """How many words come before nothing does."""
    for number in range(100):
        try:
            manager.hear(0.5)
        except Empty:
            return number
    return 100


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    manager = Manager(str(tmp_path / "notify"))
    yield manager
    manager.close()


def test_a_broker_says_when_it_serves_reloads_and_stops_and_that_it_lives(tmp_path: Path, manager: Manager) -> None:
    environment = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "200000"}
    with serving(tmp_path, environment=environment) as served:
        ready = manager.hear()
        assert ready == {"READY": "1", "STATUS": f"serves amqp://127.0.0.1:{served.port}"}
        assert [manager.hear() for _ in range(3)] == [{"WATCHDOG": "1"}] * 3
        before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1_000
        os.kill(served.process.pid, signal.SIGHUP)
        reloading = manager.hear_of("RELOADING")
        assert before <= int(reloading["MONOTONIC_USEC"]) <= time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1_000
        assert manager.hear_of("READY") == ready
        assert served.stop() == 0
        assert manager.hear_of("STOPPING")["STOPPING"] == "1"


def test_a_broker_that_hangs_gives_no_sign_of_life(tmp_path: Path, manager: Manager) -> None:
    environment = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "100000"}
    with serving(tmp_path, environment=environment) as served:
        manager.hear_of("WATCHDOG")
        os.kill(served.process.pid, signal.SIGSTOP)
        assert until_silent(manager) < 100
        os.kill(served.process.pid, signal.SIGCONT)
        manager.hear_of("WATCHDOG")


@pytest.mark.skipif(sys.platform != "linux", reason="abstract names are Linux's")
def test_a_socket_may_have_an_abstract_name() -> None:
    name = f"batonmq-{os.getpid()}"
    manager = Manager(f"\0{name}")
    Notifier({"NOTIFY_SOCKET": f"@{name}"}).ready("serves")
    assert manager.hear() == {"READY": "1", "STATUS": "serves"}
    manager.close()


def test_a_manager_that_is_busy_hears_of_the_state_and_holds_up_no_sign_of_life(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notify, "BUSY_SECONDS", LONG)
    address = str(tmp_path / "busy")
    with (
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as busy,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as others,
    ):
        busy.settimeout(LONG)
        busy.bind(address)
        others.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while True:
                others.sendto(b"X=1", address)
        notifier = Notifier({"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "1000000"})
        with contextlib.closing(asyncio.new_event_loop()) as loop:
            notifier.watch(loop)
            notifier.close()
        waiting = threading.Thread(target=notifier.ready, args=("serves",))
        waiting.start()
        waiting.join(0.1)
        assert waiting.is_alive()
        heard = [busy.recv(4096)]
        while heard[-1] == b"X=1":
            heard.append(busy.recv(4096))
        waiting.join()
    assert heard[-1] == b"READY=1\nSTATUS=serves"


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"NOTIFY_SOCKET": ""},
        {"NOTIFY_SOCKET": "/nowhere/notify", "WATCHDOG_USEC": "10"},
        {"NOTIFY_SOCKET": "x" * 200, "WATCHDOG_USEC": "-1"},
    ],
)
def test_nobody_who_listens_is_no_error(environment: dict[str, str]) -> None:
    async def use() -> None:
        notifier = Notifier(environment)
        notifier.ready("serves")
        notifier.reloading()
        notifier.watch(asyncio.get_running_loop())
        notifier.stopping()
        notifier.close()

    asyncio.run(use())


def test_a_watchdog_for_another_process_is_not_ours(manager: Manager, tmp_path: Path) -> None:
    async def use() -> None:
        environment = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "10", "WATCHDOG_PID": "1"}
        notifier = Notifier(environment)
        notifier.watch(asyncio.get_running_loop())
        notifier.stopping()

    asyncio.run(use())
    assert "STOPPING" in manager.hear()


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
def test_the_unit_is_one_that_systemd_understands(tmp_path: Path) -> None:
    # The command is at another place here.
    unit = tmp_path / "batonmq.service"
    text = UNIT.read_text(encoding="utf-8").replace("/opt/batonmq/bin/batonmq", "/bin/true")
    unit.write_text(text, encoding="utf-8")
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", str(unit)],
        capture_output=True,
        text=True,
        timeout=LONG,
        check=False,
    )
    assert [line for line in (done.stdout + done.stderr).splitlines() if "batonmq" in line] == []
    assert done.returncode == 0
