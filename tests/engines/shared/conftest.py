"""A file, its owner in this process, and guests as other processes are."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from batonmq.api.connections.synchronous import Connection
from batonmq.engines.embedded.engine import EmbeddedEngine
from batonmq.engines.shared import answers, claims, commands, wire
from batonmq.engines.shared.engine import SharedEngine
from batonmq.engines.shared.frame_stream import FrameStream
from batonmq.engines.shared.link import Link
from batonmq.engines.shared.numbered import Numbered
from batonmq.engines.shared.opening import Reached, dial
from batonmq.engines.shared.registry import own_file
from batonmq.engines.shared.roll import Roll, lives
from batonmq.engines.values import QueueOptions
from tests.engines.shared.hearing import read_command
from tests.support.waiting import until

Connect = Callable[[], Connection]


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Guests have long to say what they hold, as a busy machine may hold them up."""
    monkeypatch.setattr(claims, "GRACE_SECONDS", 60.0)


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "queues.db")


@pytest.fixture
def owner(path: str) -> Iterator[EmbeddedEngine]:
    engine = own_file(path)
    yield engine
    engine.close()


@pytest.fixture
def guest(path: str, owner: EmbeddedEngine) -> Iterator[Connect]:
    """Connections over the owner's socket, though it is in this process."""
    with ExitStack() as opened:

        def connect() -> Connection:
            link = dial(f"{path}-socket")
            assert link is not None
            return opened.enter_context(Connection(SharedEngine(path, Reached(link, None))))

        yield connect


class Owner:
    """The other end of a guest's socket, which does what the test says."""

    def __init__(self, path: str, opening: int) -> None:
        self._peer, here = socket.socketpair()
        self._commands = FrameStream(self._peer)
        self.say(answers.Hello(0, wire.VERSION, 1, opening))
        link = Link(here)
        link.greet()
        self.engine = SharedEngine(path, Reached(link, None))
        resume = self.hear()
        assert isinstance(resume, commands.Resume)
        Roll(path).add(resume.guest, resume.process)
        self.say(answers.Resumed(0, [], [], [], []))
        # Heard, when something that was asked behind it is answered.
        counted = self.engine.count("any")
        self.say(answers.Counted(self.hear().number, 0))
        counted.get()

    def say(self, answer: Numbered) -> None:
        self._peer.sendall(wire.frame(answer))

    def hear(self) -> commands.Command:
        command = read_command(self._commands)
        assert command is not None
        return command

    def go(self) -> None:
        self._peer.shutdown(socket.SHUT_RDWR)
        self._peer.close()


@pytest.fixture
def departing(path: str) -> Iterator[Owner]:
    """An owner of a file that is free, with a queue in it: the guest gets it when this one goes."""
    engine = own_file(path)
    engine.declare("orders", QueueOptions()).get()
    engine.close()
    owner = Owner(path, engine.core.store.opening)
    yield owner
    owner.engine.close()


class Nursery:
    """See ``nursery.py``."""

    def __init__(self) -> None:
        command = [sys.executable, str(Path(__file__).with_name("nursery.py"))]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._living: list[int] = []

    def own(self, path: str) -> int:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{path}\n")
        self._process.stdin.flush()
        self._living.append(process := int(self._process.stdout.readline()))
        return process

    def end(self, process: int, how: str) -> None:
        os.kill(process, signal.SIGKILL if how == "killed" else signal.SIGTERM)
        until(lambda: not lives(process))
        self._living.remove(process)

    def clear(self) -> None:
        for process in list(self._living):
            self.end(process, "killed")

    def close(self) -> None:
        self.clear()
        with self._process:
            assert self._process.stdin is not None
            self._process.stdin.close()


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    nursery = Nursery()
    yield nursery
    nursery.close()


def is_served_by(path: str, process: int) -> bool:
    try:
        return Path(f"{path}-lock").read_bytes() == b"%d\nqueues.db-socket\n" % process
    except FileNotFoundError:
        return False
