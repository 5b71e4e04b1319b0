"""Processes of the command by fork: real ones, each with its own streams, environment and directory.

A start reads some 200 files first, which takes up to a second of a slow machine. Here one process has read them, and
what it forks goes on from there as ``python -m batonmq`` does.
"""

from __future__ import annotations

import atexit
import contextlib
import faulthandler
import functools
import gc
import importlib
import json
import os
import pkgutil
import runpy
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Literal, Self, TextIO

import batonmq
from batonmq.server import passwords

# For a busy machine.
START = 120.0


class Forked:
    """A process, as ``subprocess.Popen`` has it."""

    def __init__(self, said: TextIO, streams: Sequence[TextIO | None]) -> None:
        # Its number, and its status when it has ended.
        self._said = said
        self.stdin, self.stdout, self.stderr = streams
        self.returncode: int | None = None
        line = said.readline()
        if not line:
            raise RuntimeError("the process that forks is gone")
        self.pid = int(line)

    def poll(self) -> int | None:
        if self.returncode is None and self._is_said(0):
            self._ended()
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Raises subprocess.TimeoutExpired."""
        if self.returncode is None:
            if not self._is_said(timeout):
                raise subprocess.TimeoutExpired("batonmq", timeout or 0.0)
            self._ended()
        assert self.returncode is not None
        return self.returncode

    def _is_said(self, timeout: float | None) -> bool:
        # Not `select`: the tests may have more than a thousand files open.
        said = select.poll()
        said.register(self._said, select.POLLIN)
        return bool(said.poll(None if timeout is None else timeout * 1000))

    def _ended(self) -> None:
        status = self._said.readline()
        self._said.close()
        self.returncode = os.waitstatus_to_exitcode(int(status)) if status else -signal.SIGKILL

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            # The process that forks reaps it first, and says so after that.
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for stream in (self.stdin, self.stdout, self.stderr):
            if stream is not None:
                with contextlib.suppress(BrokenPipeError):
                    stream.close()
        self.wait()


def start(
    arguments: Sequence[str],
    *,
    cwd: Path,
    environment: Mapping[str, str] | None = None,
    stdin: int | None = None,
    stdout: int | None = None,
    stderr: int | None = None,
) -> Forked:
    """``python -m batonmq ARGUMENTS``. A stream is the number of a file, ``subprocess.PIPE``, or the one here."""
    if sys.platform == "win32":  # which has no fork
        command = [sys.executable, "-m", "batonmq", *arguments]
        env = {**os.environ, **(environment or {})}
        return subprocess.Popen(command, cwd=cwd, env=env, stdin=stdin, stdout=stdout, stderr=stderr, encoding="utf-8")
    ours: list[TextIO | None] = []
    theirs: list[int] = []
    with contextlib.ExitStack() as opened:

        def pipe(mode: Literal["r", "w"]) -> tuple[TextIO, int]:
            """Our end, and theirs, which is closed here when they have it."""
            read, write = os.pipe()
            here, there = (read, write) if mode == "r" else (write, read)
            opened.callback(os.close, there)
            return os.fdopen(here, mode, encoding="utf-8"), there

        for number, wanted in enumerate((stdin, stdout, stderr)):
            end, there = pipe("r" if number else "w") if wanted == subprocess.PIPE else (None, wanted)
            ours.append(end)
            theirs.append(number if there is None else theirs[1] if there == subprocess.STDOUT else there)
        said, there = pipe("r")
        request = json.dumps([list(arguments), str(cwd), {**os.environ, **(environment or {})}, passwords.N]).encode()
        parent = _parent()
        socket.send_fds(parent, [b"%d\n" % len(request)], [*theirs, there])
        parent.sendall(request)
    return Forked(said, ours)


@functools.cache
def _parent() -> socket.socket:
    """The way to the process that forks, which ends with this one."""
    here, there = socket.socketpair()
    with there:
        process = subprocess.Popen([sys.executable, __file__, str(there.fileno())], pass_fds=[there.fileno()])

    @atexit.register
    def end() -> None:
        here.close()
        process.wait(START)

    return here


@dataclass(frozen=True)
class _Request:
    arguments: list[str]
    cwd: str
    environment: dict[str, str]
    # What a password costs: as much as it does where it was asked for.
    cost: int
    # Standard input, output and errors; where to say how it goes.
    files: Sequence[int]


def _receive(asking: socket.socket) -> _Request | None:
    """The next one; None when nobody asks any more."""
    head, files, _, _ = socket.recv_fds(asking, 4096, 4)
    if not head:
        return None
    length, _, body = head.partition(b"\n")
    while len(body) < int(length):
        more = asking.recv(int(length) - len(body))
        # Who asked has ended in the middle of it.
        if not more:
            return None
        body += more
    arguments, cwd, environment, cost = json.loads(body)
    return _Request(arguments, cwd, environment, cost, files)


def _serve(asking: socket.socket) -> _Request | None:
    """What to become, in a child; None in the end, in the parent."""
    # Its children have the terminal's signals as well, and their own way with them.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    woken, wake = os.pipe()
    for end in (woken, wake):
        os.set_blocking(end, False)
    signal.set_wakeup_fd(wake)
    living: dict[int, int] = {}
    while True:
        ready, _, _ = select.select([asking.fileno(), woken], [], [])
        if woken in ready:
            os.read(woken, 4096)
            _bury(living)
        if asking.fileno() not in ready:
            continue
        request = _receive(asking)
        if request is None:
            return None
        child = os.fork()
        if child == 0:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            signal.signal(signal.SIGINT, signal.default_int_handler)
            for file in (asking.detach(), woken, wake, *living.values()):
                os.close(file)
            return request
        *streams, said = request.files
        for file in streams:
            os.close(file)
        living[child] = said
        os.write(said, b"%d\n" % child)


def _bury(living: dict[int, int]) -> None:
    """Say of those that have ended how they did."""
    while living:
        process, status = os.waitpid(-1, os.WNOHANG)
        if not process:
            return
        said = living.pop(process)
        with contextlib.suppress(BrokenPipeError):
            os.write(said, b"%d\n" % status)
        os.close(said)


def _become(request: _Request) -> None:
    """The command, as Python has it that has just been started."""
    for number, file in enumerate(request.files[:3]):
        os.dup2(file, number)
    for file in request.files:
        os.close(file)
    sys.stdin, sys.stdout = os.fdopen(0), os.fdopen(1, "w")
    sys.stderr = os.fdopen(2, "w", buffering=1, errors="backslashreplace")
    # Asked by a test that waits in vain: where each thread is.
    faulthandler.register(signal.SIGUSR1, file=2)
    os.chdir(request.cwd)
    os.environ.clear()
    os.environ.update(request.environment)
    passwords.N = request.cost
    sys.path[0] = str(Path.cwd())
    sys.argv[1:] = request.arguments
    runpy.run_module("batonmq", run_name="__main__", alter_sys=True)


def _main() -> None:
    # Whatever the command reads in its own time, by whichever name it has. Nothing that fits into frameworks is: and
    # some of that cannot be read before its framework is set up.
    for module in pkgutil.walk_packages(batonmq.__path__, "batonmq."):
        if not module.name.endswith(".__main__") and not module.name.startswith("batonmq.contrib."):
            importlib.import_module(module.name)
    # What is never looked at again stays in memory that all share.
    gc.collect()
    gc.freeze()
    request = _serve(socket.socket(fileno=int(sys.argv[1])))
    if request is not None:
        _become(request)


if __name__ == "__main__":
    _main()
