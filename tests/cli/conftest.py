from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest


@pytest.fixture
def batonmq(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs the command in a directory of its own and returns what it printed."""

    def run(
        *arguments: str, stdin: str = "", environment: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "batonmq", *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env={**os.environ, **(environment or {})},
            timeout=30,
            check=False,
        )

    return run


class Served:
    """A broker in a process of its own."""

    def __init__(self, process: subprocess.Popen[str], banner: str) -> None:
        self.process = process
        self.banner = banner
        self.port = int(banner.partition("amqp://127.0.0.1:")[2].split()[0])
        self.url = f"amqp://guest:guest@127.0.0.1:{self.port}/"
        self.log = ""

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal, and return the exit code."""
        self.process.send_signal(number)
        _, self.log = self.process.communicate(timeout=30)
        return self.process.returncode


# No other test, and no other program, is in the way of these.
OTHERS = ("--stomp-port", "off", "--websocket-port", "off")


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    """`batonmq serve` on a free port, with its data in a directory of its own."""
    with subprocess.Popen(
        [sys.executable, "-m", "batonmq", "serve", "--port", "0", *OTHERS, "--data", str(tmp_path / "data")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
    ) as process:
        assert process.stdout is not None
        guard = threading.Timer(30, process.kill)
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
