"""Where the contract is held: each engine with something behind it that can be connected to more than once."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

import batonmq
from tests.support.broker import Broker

START = 60.0


class Place:
    """Queues somewhere, and a way to them for this test."""

    def __init__(self, url: str, *, survives: bool, shared: bool = True) -> None:
        self.url = url
        # Is what is durable still there when nobody is connected any more?
        self.survives = survives
        # Can other processes connect?
        self.shared = shared
        self._opened = ExitStack()
        self._queues: list[str] = []

    def connect(self) -> batonmq.Connection:
        """A connection that is closed with the test."""
        return self._opened.enter_context(batonmq.connect(self.url))

    def queue(self) -> str:
        """A name that nothing else uses; its queue is deleted with the test."""
        name = f"t-{uuid.uuid4().hex[:12]}"
        self._queues.append(name)
        return name

    def close(self) -> None:
        """Leave nothing behind."""
        self._opened.close()
        if self._queues and self.survives:
            with batonmq.connect(self.url) as mq:
                for name in self._queues:
                    mq.delete(name)


@contextmanager
def file_place(folder: Path) -> Iterator[str]:
    yield str(folder / "queues.db")


OWNER = """
import sys
import batonmq
with batonmq.connect(sys.argv[1]):
    print("open", flush=True)
    sys.stdin.read()
"""


@contextmanager
def file_of_another(folder: Path) -> Iterator[str]:
    """A file that another process has open all the time: this one, and the processes of the tests, are its guests."""
    path = str(folder / "queues.db")
    command = [sys.executable, "-c", OWNER, path]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == b"open\n"
        yield path
        assert owner.poll() is None, "the owner is gone: the tests were not about what they say"


@contextmanager
def batonmq_server(folder: Path) -> Iterator[str]:
    broker = Broker(folder)
    address = broker.start()
    try:
        yield f"amqp://guest:guest@127.0.0.1:{address.port}/"
    finally:
        broker.terminate()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def rabbitmq_server() -> Iterator[str]:
    """A RabbitMQ node of our own, with everything that it writes in a temporary folder."""
    server = shutil.which("rabbitmq-server")
    if server is None:
        pytest.skip("rabbitmq-server is not installed")
    # Debian's wrapper changes to the user rabbitmq; the script behind it runs as whoever calls.
    behind = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
    with tempfile.TemporaryDirectory(prefix="rabbit-") as name:
        folder = Path(name)
        port, distribution = _free_port(), _free_port()
        (folder / "rabbitmq.conf").write_text(f"listeners.tcp.default = 127.0.0.1:{port}\n")
        (folder / "enabled_plugins").write_text("[].\n")
        environment = {
            **os.environ,
            "HOME": name,
            "ERL_EPMD_PORT": str(_free_port()),
            "RABBITMQ_NODENAME": f"t{port}@localhost",
            "RABBITMQ_DIST_PORT": str(distribution),
            "RABBITMQ_MNESIA_BASE": f"{name}/data",
            "RABBITMQ_LOG_BASE": f"{name}/log",
            "RABBITMQ_PID_FILE": f"{name}/pid",
            "RABBITMQ_CONFIG_FILE": f"{name}/rabbitmq",
            "RABBITMQ_CONF_ENV_FILE": f"{name}/none.conf",
            "RABBITMQ_ENABLED_PLUGINS_FILE": f"{name}/enabled_plugins",
            "RABBITMQ_SERVER_START_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
        }
        with (folder / "output").open("wb") as output:
            process = subprocess.Popen(
                [str(behind if behind.exists() else server)],
                env=environment,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            _await_port(port, process, folder / "output")
            yield f"amqp://guest:guest@127.0.0.1:{port}/"
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(START)
            _stop_epmd(environment)


def _await_port(port: int, process: subprocess.Popen[bytes], output: Path) -> None:
    end = time.monotonic() + START
    while time.monotonic() < end:
        if process.poll() is not None:
            break
        try:
            with batonmq.connect(f"amqp://guest:guest@127.0.0.1:{port}/"):
                return
        except batonmq.BatonError:
            time.sleep(0.2)  # it says nowhere that it is ready but by answering
    pytest.skip(f"rabbitmq-server did not start: {output.read_text(errors='replace')[-500:]}")


def _stop_epmd(environment: dict[str, str]) -> None:
    """Erlang's port mapper outlives the node that has started it; this one is on a port of our own."""
    epmd = shutil.which("epmd")
    if epmd is not None:
        command = [epmd, "-port", environment["ERL_EPMD_PORT"], "-kill"]
        subprocess.run(command, capture_output=True, check=False)
