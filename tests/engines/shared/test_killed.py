"""kill -9 of the owner while several processes send and receive on one file."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

import batonmq
from tests.support.drained import drained

WORKER = Path(__file__).with_name("worker.py")
# For a busy machine; a take-over takes some 20 ms.
SOON = 90.0


class Workers:
    """Processes on one file, and what their logs say."""

    def __init__(self, folder: Path, count: int) -> None:
        self.path = str(folder / "queues.db")
        self._folder = folder
        self._opened = ExitStack()
        self.processes: dict[int, subprocess.Popen[bytes]] = {}
        self.killed = 0
        for number in range(count):
            self.start(f"w{number}")

    def start(self, name: str) -> None:
        command = [sys.executable, str(WORKER), self.path, str(self._folder / f"{name}.log"), name]
        process = self._opened.enter_context(subprocess.Popen(command, stdin=subprocess.PIPE))
        self.processes[process.pid] = process

    def owner(self) -> int | None:
        """The process that has the file, as the lock file says; None while nobody has noted that."""
        try:
            said = Path(f"{self.path}-lock").read_text().splitlines()
        except FileNotFoundError:
            return None
        return int(said[0]) if len(said) == 2 and int(said[0]) in self.processes else None

    def kill(self, pid: int) -> None:
        process = self.processes.pop(pid)
        process.send_signal(signal.SIGKILL)
        process.wait()
        self.killed += 1

    def logged(self, sign: str) -> list[str]:
        found: list[str] = []
        for log in self._folder.glob("*.log"):
            found += [line[1:] for line in log.read_text().splitlines() if line.startswith(sign)]
        return found

    def await_more(self, sign: str, count: int) -> None:
        """So many more lines, of whichever worker."""
        before = len(self.logged(sign))
        self.await_value(lambda: len(self.logged(sign)) >= before + count or None)

    def await_value(self, find: Callable[[], int | None]) -> int:
        end = time.monotonic() + SOON
        while (found := find()) is None:
            assert time.monotonic() < end, "nothing happens any more"
            assert all(process.poll() is None for process in self.processes.values())
            time.sleep(0.005)
        return found

    def finish(self) -> None:
        """An orderly end of those that live."""
        for process in self.processes.values():
            assert process.stdin is not None
            process.stdin.close()
        for process in self.processes.values():
            assert process.wait(SOON) == 0

    def lost(self) -> set[str]:
        """What is confirmed, and neither accepted by anybody nor in the queue."""
        with batonmq.connect(self.path) as mq:
            left = {message.body.decode() for message in mq.peek("orders", 100_000)}
        return set(self.logged("+")) - set(self.logged("-")) - left

    def close(self) -> None:
        for process in self.processes.values():
            process.kill()
        self._opened.close()


@pytest.fixture
def workers(tmp_path: Path) -> Iterator[Workers]:
    workers = Workers(tmp_path, 4)
    yield workers
    workers.close()


def test_nothing_confirmed_is_lost_when_one_owner_after_another_is_killed(workers: Workers) -> None:
    workers.await_more("+", 50)
    killed = set()
    took: list[float] = []
    for _ in range(3):
        owner = workers.await_value(workers.owner)
        workers.kill(owner)
        killed.add(owner)
        begun = time.monotonic()
        workers.await_more("+", 1)
        took.append(time.monotonic() - begun)
        workers.await_more("+", 30)
        workers.await_more("-", 30)
    assert len(killed) == 3
    # The promise is a second; a machine on which a hundred other tests run gets more, and is not always as busy.
    assert min(took) < 5, took
    workers.finish()
    # Each of the killed may have accepted one message that it had no time to note.
    assert len(workers.lost()) <= workers.killed


def test_a_killed_guest_takes_nothing_along(workers: Workers) -> None:
    workers.await_more("-", 30)
    owner = workers.await_value(workers.owner)
    pid = next(pid for pid in workers.processes if pid != owner)
    workers.kill(pid)
    workers.await_more("-", 30)
    assert workers.owner() == owner
    workers.finish()
    assert len(workers.lost()) <= workers.killed


DRAIN = """
import sys, batonmq
with batonmq.connect(sys.argv[1]) as mq, mq.receiver("orders", prefetch=5) as receiver:
    print("open", flush=True)
    sys.stdin.readline()
    while (deliveries := receiver.receive(3, wait=0.2)) or mq.count("orders"):
        for delivery in deliveries:
            print(delivery.body.decode(), delivery.delivery_count, flush=True)
            delivery.accept()
"""


def test_processes_that_drain_a_queue_and_end_have_each_message_once(tmp_path: Path) -> None:
    path = str(tmp_path / "queues.db")
    with batonmq.connect(path) as mq:
        mq.declare("orders")
        mq.send_many("orders", [b"%d" % number for number in range(300)])
    with ExitStack() as opened:
        command = [sys.executable, "-c", DRAIN, path]
        processes = [
            opened.enter_context(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
            for _ in range(4)
        ]
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "open\n"
        # The first is the owner, and the first to go: each of the others becomes one in its turn.
        lines: list[str] = []
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("go on\n")
            process.stdin.flush()
        for process in processes:
            lines += process.communicate(timeout=SOON)[0].splitlines()
            assert process.returncode == 0
    # The last to go may give back what came to it as it went.
    lines += [f"{message.body.decode()} 1" for message in drained(path, "orders")]
    assert sorted(lines) == sorted(f"{number} 1" for number in range(300))
