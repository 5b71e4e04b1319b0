"""The command, mostly in this process: as it is started by a user where signals, logging or streams are what counts."""

from __future__ import annotations

import json
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from queue import SimpleQueue
from tempfile import TemporaryFile

import pytest
from proof.commands import runner
from tests.support import forking
from tests.support.forking import Forked

from batonmq.cli import main

# Nothing takes so long; on a busy machine nothing is ended that would have come.
LONG = 120

Batonmq = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def batonmq(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Batonmq:
    """Runs the command in this process, in a directory of its own, and returns what it printed."""

    def run(
        *arguments: str, stdin: str = "", environment: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        with monkeypatch.context() as patch:
            patch.chdir(tmp_path)
            done = runner().invoke(main, arguments, input=stdin, env=environment, prog_name="batonmq")
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return subprocess.CompletedProcess(arguments, done.exit_code, done.stdout, done.stderr)

    return run


@pytest.fixture
def batonmq_alone(tmp_path: Path) -> Batonmq:
    """Runs the command in a process of its own, in a directory of its own, and returns what it printed."""

    def run(
        *arguments: str, stdin: str = "", environment: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        with ExitStack() as opened:
            given, printed, errors = (opened.enter_context(TemporaryFile("w+", encoding="utf-8")) for _ in range(3))
            given.write(stdin)
            given.seek(0)
            with forking.start(
                arguments,
                cwd=tmp_path,
                environment=environment,
                stdin=given.fileno(),
                stdout=printed.fileno(),
                stderr=errors.fileno(),
            ) as process:
                try:
                    code = process.wait(LONG)
                finally:
                    process.kill()
            for file in (printed, errors):
                file.seek(0)
            return subprocess.CompletedProcess(arguments, code, printed.read(), errors.read())

    return run


class Served:
    """A broker in a process of its own."""

    def __init__(self, process: Forked, banner: str) -> None:
        self.process = process
        self.banner = banner
        self.port = int(banner.partition("amqp://127.0.0.1:")[2].split()[0])
        self.url = f"amqp://guest:guest@127.0.0.1:{self.port}/"
        self.lines: SimpleQueue[str] = SimpleQueue()
        """What it logs, as it comes; an empty one when it has ended."""
        self.log = ""

    def read_log(self) -> None:
        """All the time: a pipe that nobody reads is full one day, and the broker, which logs into it, stands still."""
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.lines.put(line)
        self.lines.put("")

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal, and return the exit code."""
        self.process.send_signal(number)
        self.log = "".join(iter(self.lines.get, ""))
        return self.process.wait(LONG)


# No other test, and no other program, is in the way of these.
OTHERS = ("--stomp-port", "off", "--websocket-port", "off", "--management-port", "off")


@contextmanager
def serving(folder: Path, *arguments: str, environment: Mapping[str, str] | None = None) -> Iterator[Served]:
    """`batonmq serve` on a free port, with its data in this folder."""
    with forking.start(
        ["serve", "--port", "0", *OTHERS, "--data", str(folder / "data"), *arguments],
        cwd=folder,
        environment=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        guard = threading.Timer(LONG, process.kill)
        guard.start()
        banner = ""
        for line in process.stdout:
            banner += line
            if " receive hello" in line:
                break
        guard.cancel()
        served = Served(process, banner)
        reader = threading.Thread(target=served.read_log, daemon=True)
        reader.start()
        try:
            yield served
        finally:
            process.kill()
            reader.join()


@pytest.fixture
def own_served(tmp_path: Path) -> Iterator[Served]:
    """A broker of the test's own."""
    with serving(tmp_path) as served:
        yield served


@pytest.fixture(scope="session")
def served_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the broker of all tests is, and its data."""
    return tmp_path_factory.mktemp("served")


@pytest.fixture(scope="session")
def served_for_all(served_folder: Path) -> Iterator[Served]:
    with serving(served_folder) as served:
        yield served


@pytest.fixture
def served(served_for_all: Served, batonmq: Batonmq) -> Iterator[Served]:
    """A broker without queues and policies, which other tests have used and will use."""
    yield served_for_all
    url = served_for_all.url
    for queue in json.loads(batonmq("--url", url, "queues", "--json").stdout):
        assert batonmq("--url", url, "queues", "delete", "--yes", queue["name"]).returncode == 0
    for policy in json.loads(batonmq("--url", url, "policies", "list", "--json").stdout):
        assert batonmq("--url", url, "policies", "clear", policy["name"]).returncode == 0
