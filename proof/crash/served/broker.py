"""The broker that is killed: `batonmq serve` on real files, started again on the same ones."""

from __future__ import annotations

import random
import re
import socket
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from bench.failures import BenchError

from batonmq.points import POINTS
from proof import armed
from proof.crash.features import FANOUT, STATIONS
from proof.crash.processes import Child
from proof.crash.served.amqp091 import SYNC, connect
from proof.passes import Passes

__all__ = ["STRIKES", "Broker", "strike_of"]

START = 60.0
STEP = 0.004
MEMORY = 1 << 20
CONFIG = """\
[limits]
memory = {memory}

[stomp]
port = "off"

[websocket]
port = "off"

[management]
port = "off"
"""
# A broker in whose life these are reached: no other process shares its file, and it is not stopped in order.
PARTS = ("recovery", "journal", "stage", "commit", "checkpoint", "page", "trash", "vacuum", "lock")
STRIKES = tuple(
    name for name in POINTS if name.partition(".")[0] in PARTS and name not in ("commit.failed", "lock.released")
)
OFTEN = frozenset({"stage", "commit", "journal", "page"})
BAD = re.compile(rb"Traceback|CRITICAL|\bERROR\b")


class Broker:
    """One life after the other. Raises BenchError when one does not begin."""

    def __init__(self, folder: Path, port: int) -> None:
        self.port = port
        self._folder = folder
        self._lives = 0
        self._struck, self._passed = folder / "struck", folder / "passed"
        self._child: Child | None = None
        (folder / "batonmq.toml").write_text(CONFIG.format(memory=MEMORY))

    @property
    def struck(self) -> Counter[str]:
        """At which points it has died, and how often."""
        lines = self._struck.read_text().splitlines() if self._struck.exists() else []
        return Counter(line.split()[0] for line in lines)

    @property
    def passed(self) -> Counter[str]:
        """How often all its lives have passed each point."""
        passes = Passes(self._passed)
        try:
            return passes.counts()
        finally:
            passes.close()

    @property
    def log(self) -> Path:
        """What it has said, in all its lives."""
        return self._folder / "broker.log"

    @property
    def has_ended(self) -> bool:
        """Whether it has ended, by itself or at a point."""
        return self._child is None or self._child.poll() is not None

    def begin(self, strike: str = "") -> None:
        """Start it, armed to die at a point (as `proof.armed` has it); wait for nothing."""
        self._lives += 1
        arguments = [
            "--note",
            str(self._struck),
            "--passes",
            str(self._passed),
            *([strike] if strike else []),
            "serve",
            "--config",
            str(self._folder / "batonmq.toml"),
            "--data",
            str(self._folder / "data"),
            "--port",
            str(self.port),
            "--log-level",
            "warning",
        ]
        self._child = Child(lambda: armed.main(arguments), self.log)

    def await_ready(self) -> bool:
        """Until it takes connections; False when it has died before."""
        end = time.monotonic() + START
        while not self.has_ended:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return True
            if time.monotonic() > end:
                raise BenchError(f"the broker takes no connections after {START:g} s: {self.log}")
            time.sleep(STEP)
        return False

    def was_killed(self) -> bool:
        """Whether its end was a kill, and not an end of its own."""
        return self._child is not None and self._child.status == -9

    def await_end(self, seconds: float) -> bool:
        """Whether it has ended within that time."""
        return self._child is None or self._child.wait(seconds) is not None

    def kill(self) -> None:
        """SIGKILL."""
        if self._child is not None:
            self._child.kill()

    def declare(self) -> None:
        """All queues of the run. Raises pika's AMQPError and OSError."""
        connection = connect(self.port)
        try:
            channel = connection.channel()
            for station in STATIONS.values():
                queue = station.queue
                channel.queue_declare(queue.name, durable=queue.durable, arguments=dict(station.arguments))
            channel.queue_declare(SYNC, durable=True, arguments={"x-max-length": 1})
            channel.exchange_declare(FANOUT, "fanout", durable=True)
            for name in ("fan.a", "fan.b"):
                channel.queue_bind(name, FANOUT)
        finally:
            connection.close()

    def complaints(self, start: int) -> list[str]:
        """What its log has of errors and tracebacks, from that octet on."""
        with self.log.open("rb") as log:
            log.seek(start)
            lines = log.read().splitlines()
        return [line.decode(errors="replace") for line in lines if BAD.search(line)]


def strike_of(chance: random.Random, struck: Mapping[str, int]) -> str:
    """Some point, and how often it is passed before. Where it has died most, it dies least."""
    (point,) = chance.choices(STRIKES, [1 / (1 + struck.get(name, 0)) for name in STRIKES])
    often = point.partition(".")[0] in OFTEN
    number = chance.choice((1, 2, chance.randint(3, 300))) if often else 1
    within = f"~{chance.uniform(0.0, 2.0):.2f}" if chance.random() < 0.3 else ""
    return f"{point}:{number}{within}"
