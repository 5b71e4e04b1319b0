from __future__ import annotations

import signal
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryFile

import pytest
from tests.support import forking
from tests.support.forking import Forked

# Nothing takes so long; on a busy machine nothing is ended that would have come.
LONG = 50


@pytest.fixture
def batonmq(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs the command in a directory of its own and returns what it printed."""

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
        self.log = ""

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal, and return the exit code."""
        self.process.send_signal(number)
        assert self.process.stderr is not None
        self.log = self.process.stderr.read()
        return self.process.wait(LONG)


# No other test, and no other program, is in the way of these.
OTHERS = ("--stomp-port", "off", "--websocket-port", "off", "--management-port", "off")


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    """`batonmq serve` on a free port, with its data in a directory of its own."""
    with forking.start(
        ["serve", "--port", "0", *OTHERS, "--data", str(tmp_path / "data")],
        cwd=tmp_path,
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
        try:
            yield Served(process, banner)
        finally:
            process.kill()
