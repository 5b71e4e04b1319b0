"""A broker as a process: when signals are heard."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

# Its extension is started when the ports are open. Nobody has been told yet, but anybody may have seen it.
PROGRAM = """
import os, sys
from batonmq.server.config import Config
from batonmq.server.logs import configure_logging
from batonmq.server.run import run

class Impatient:
    def begin(self, parts): pass
    def endpoints(self): return []
    async def start(self): os.kill(os.getpid(), int(sys.argv[1]))
    def reconfigure(self, config): print("reconfigured", flush=True)
    async def stop(self): pass

def read_again():
    os.kill(os.getpid(), 15)
    return config

def ready(server):
    print("ready", flush=True)

config = Config().with_flags(
    data="data", host=None, port=0, stomp_port="off", websocket_port="off", management_port="off",
    log_level=None, log_format=None,
)
configure_logging("info", "text")
run(config, ready, [Impatient()], read_again)
"""


def signalled_at_once(folder: Path, number: int) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, str(int(number))],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_stops_in_order_from_when_its_ports_are_open(tmp_path: Path, number: int) -> None:
    done = signalled_at_once(tmp_path, number)
    assert (done.returncode, done.stdout) == (0, "ready\n"), done.stderr
    assert done.stderr.endswith("stopped\n")


def test_a_reload_that_is_asked_for_before_it_is_ready_comes_after_that(tmp_path: Path) -> None:
    done = signalled_at_once(tmp_path, signal.SIGHUP)
    assert (done.returncode, done.stdout) == (0, "ready\nreconfigured\n"), done.stderr
