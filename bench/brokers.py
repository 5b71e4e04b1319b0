"""Brokers as processes of our own: ports that were free, data in a folder of their own, ended by their process id."""

from __future__ import annotations

import contextlib
import os
import random
import re
import shutil
import socket
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from pathlib import Path
from typing import ClassVar, Self

import pika
import pika.exceptions

import batonmq
from bench.failures import BenchError

__all__ = ["Baton", "Broker", "Rabbit", "free_ports", "on_disk"]

START = 90.0
# Below what systems give to clients: 32768 and more on Linux, 49152 and more elsewhere.
LISTENING = range(23000, 32000)
STOP = 60.0
# The script behind Debian's wrapper, which would change to the user rabbitmq: this one runs as whoever calls.
DEBIAN = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
WRAPPERS = frozenset({"/usr/sbin/rabbitmq-server", "/sbin/rabbitmq-server"})
MOUNTS = Path("/proc/mounts")
IN_MEMORY = frozenset({"tmpfs", "ramfs"})


class Broker(ABC):
    """A broker that this program starts and ends; a context manager."""

    name: str
    user = password = "guest"

    def __init__(self, folder: Path, *, stomp: bool = False) -> None:
        self.folder = folder
        self.stomp = stomp
        """Whether it listens for STOMP too."""
        self.port = 0
        self.stomp_port = 0
        self.version = ""
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The broker's own process."""
        assert self._process is not None
        return self._process.pid

    @property
    def url(self) -> str:
        """Where clients find it."""
        return f"amqp://guest:guest@127.0.0.1:{self.port}/"

    @property
    def log(self) -> Path:
        """What it has printed."""
        return self.folder / "output"

    def destination(self, queue: str) -> str:
        """What STOMP calls a durable queue of this name, which is there then, or is made by the first frame."""
        return f"/queue/{queue}"

    def address(self, queue: str) -> str:
        """What AMQP 1.0 calls a durable queue of this name, which is there then, or is made by the first attach."""
        return queue

    def start(self, within: float = START) -> None:
        """Start it and wait until it answers, so many seconds; BenchError with what it said when it does not."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if self.stomp:
            (self.stomp_port,) = free_ports(1)
        self._launch()
        end = time.monotonic() + within
        while not (self._answers() and (not self.stomp or _accepts(self.stomp_port))):
            if self._process is None or self._process.poll() is not None or time.monotonic() > end:
                said = self.log.read_text(errors="replace").strip().splitlines() if self.log.exists() else []
                self.stop()
                raise BenchError(f"{self.name} did not start: {_reason(said)}")
            time.sleep(0.05)  # no broker says when it is ready but by answering

    def kill(self) -> None:
        """SIGKILL: nothing is flushed, nothing is said."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(STOP)
            self._process = None

    def stop(self) -> None:
        """SIGTERM, and SIGKILL where that does not help within a minute."""
        try:
            if self._process is not None:
                self._process.terminate()
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self._process.wait(STOP)
        finally:  # also when Ctrl-C is typed once more
            self.kill()

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *raised: object) -> None:
        self.stop()

    @classmethod
    def missing(cls) -> str | None:
        """Why it cannot be started here; None where it can."""
        return None

    @abstractmethod
    def _launch(self) -> None:
        """Start the process."""

    @abstractmethod
    def _answers(self) -> bool:
        """Whether it takes connections; sets port and version."""

    def _spawn(self, command: list[str], environment: dict[str, str]) -> subprocess.Popen[bytes]:
        # A session of its own: Ctrl-C reaches this program, which then ends the broker in order.
        with self.log.open("ab") as output:
            return subprocess.Popen(
                command,
                cwd=self.folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )


class Baton(Broker):
    """`batonmq serve`, with its defaults."""

    name = "BatonMQ"
    environment: ClassVar[dict[str, str]] = {}
    """Variables that it gets beside this program's."""
    program: tuple[str, ...] = ("batonmq",)
    """The module that serves, and its arguments before those of `batonmq`."""

    def _launch(self) -> None:
        self.port = 0
        self.version = batonmq.__version__
        if self.log.exists():  # it names the port of an earlier start
            self.log.rename(self.log.with_name(f"output-{sum(1 for _ in self.folder.glob('output-*')) + 1}"))
        command = [sys.executable, "-m", *self.program, "serve", "--port", "0", "--data", str(self.folder / "data")]
        command += [
            "--stomp-port",
            str(self.stomp_port) if self.stomp else "off",
            "--websocket-port",
            "off",
            "--management-port",
            "off",
        ]
        self._process = self._spawn([*command, *self._flags()], {**os.environ, **self.environment})

    def _flags(self) -> list[str]:
        return ["--log-level", "warning"]

    def _answers(self) -> bool:
        printed = re.search(r"listens\s+amqp://\S+:(\d+)", self.log.read_text(errors="replace"))
        if printed:
            self.port = int(printed[1])
        return printed is not None


class Rabbit(Broker):
    """A node of rabbitmq-server with its defaults; everything that it writes is in its folder."""

    name = "RabbitMQ"

    def __init__(self, folder: Path, *, stomp: bool = False) -> None:
        super().__init__(folder, stomp=stomp)
        self._mapper: subprocess.Popen[bytes] | None = None

    @staticmethod
    def installed() -> Path | None:
        """The program, where there is one."""
        found = shutil.which("rabbitmq-server")
        if found is None or shutil.which("epmd") is None:
            return None
        return DEBIAN if found in WRAPPERS and DEBIAN.exists() else Path(found)

    @classmethod
    def missing(cls) -> str | None:
        return None if cls.installed() else "rabbitmq-server is not installed"

    def _launch(self) -> None:
        program, mapper = self.installed(), shutil.which("epmd")
        if program is None or mapper is None:
            raise BenchError("rabbitmq-server is not installed")
        self.port, distribution, mapping = free_ports(3)
        listeners = f"listeners.tcp.default = 127.0.0.1:{self.port}\n"
        if self.stomp:
            listeners += f"stomp.listeners.tcp.1 = 127.0.0.1:{self.stomp_port}\n"
        (self.folder / "rabbitmq.conf").write_text(listeners)
        (self.folder / "enabled_plugins").write_text("[rabbitmq_stomp].\n" if self.stomp else "[].\n")
        environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith(("RABBITMQ_", "NOTIFY_"))},
            "HOME": str(self.folder),  # the cookie
            "ERL_EPMD_PORT": str(mapping),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODENAME": f"bench{self.port}@localhost",
            "RABBITMQ_DIST_PORT": str(distribution),
            "RABBITMQ_MNESIA_BASE": str(self.folder / "data"),
            "RABBITMQ_LOG_BASE": str(self.folder / "log"),
            "RABBITMQ_PID_FILE": str(self.folder / "pid"),
            "RABBITMQ_CONFIG_FILE": str(self.folder / "rabbitmq"),
            "RABBITMQ_CONF_ENV_FILE": str(self.folder / "none.conf"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.folder / "enabled_plugins"),
            "RABBITMQ_SERVER_START_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
            # The script then becomes the node instead of waiting for it: the process id is the node's.
            "RUNNING_UNDER_SYSTEMD": "true",
        }
        # Erlang's port mapper, which a node starts as a daemon where it finds none, would outlive it.
        self._mapper = self._spawn([mapper, "-port", str(mapping), "-address", "127.0.0.1"], environment)
        _await_port(mapping)
        self._process = self._spawn([str(program)], environment)

    def destination(self, queue: str) -> str:
        # To /queue/NAME, "persistent:false" on a SEND would declare a queue that is exclusive, and is refused.
        self.declare(queue)
        return f"/amq/queue/{queue}"

    def declare(self, queue: str) -> None:
        """Declare a durable queue."""
        with contextlib.closing(self._connect()) as connection:
            connection.channel().queue_declare(queue, durable=True)

    def _connect(self) -> pika.BlockingConnection:
        parameters = pika.URLParameters(self.url)
        parameters.socket_timeout = parameters.blocked_connection_timeout = 10.0
        return pika.BlockingConnection(parameters)

    def _answers(self) -> bool:
        try:
            connection = self._connect()
        except pika.exceptions.AMQPError:
            return False
        properties = connection._impl.server_properties  # noqa: SLF001 - pika has no public face of it
        self.version = str((properties or {}).get("version", ""))
        connection.close()
        return True

    def kill(self) -> None:
        super().kill()
        if self._mapper is not None:
            self._mapper.kill()
            self._mapper.wait(STOP)
            self._mapper = None


def on_disk(folder: Path) -> None:
    """BenchError when the folder is in memory: durability costs nothing there, and a figure would say nothing."""
    best, kind = "", ""
    where = f"{folder.resolve()}/"
    if not MOUNTS.exists():
        raise BenchError("Linux is needed: processes and disks are read from /proc")
    for line in MOUNTS.read_text().splitlines():
        point, found = line.split()[1:3]
        if where.startswith(f"{point.rstrip('/')}/") and len(point) >= len(best):
            best, kind = point, found
    if kind in IN_MEMORY:
        raise BenchError(f"{folder} is in memory ({kind}): --folder names one on a disk")


def free_ports(count: int) -> list[int]:
    """Ports of the loopback that nobody listened on a moment ago, and that the system gives to no client.

    While a broker is away, a client that tries to connect might be given the broker's own port.
    """
    with contextlib.ExitStack() as probes:
        ports: list[int] = []
        for port in random.sample(LISTENING, len(LISTENING)):
            if len(ports) == count:
                break
            with contextlib.suppress(OSError):
                probes.enter_context(socket.create_server(("127.0.0.1", port)))
                ports.append(port)
    return ports


def _await_port(port: int) -> None:
    end = time.monotonic() + START
    while time.monotonic() < end and not _accepts(port):
        time.sleep(0.02)


def _accepts(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _reason(said: list[str]) -> str:
    """The line that tells most: what calls itself an error, or the last; Java prints a trace after it."""
    return next((line for line in said if line.startswith("ERROR")), said[-1] if said else "it said nothing")
