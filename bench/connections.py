"""Section `connections`: many producers, consumers and queues at once, and ten thousand who only look on."""

from __future__ import annotations

import resource
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench import beside, load
from bench.broker import prepare
from bench.brokers import Broker
from bench.holding import Held
from bench.load import Load
from bench.report import Figure, Section
from bench.settings import Settings

__all__ = ["ALONE", "SCENARIOS", "Scenario", "run"]

ALONE = "1 producer, 1 consumer"
# Some fewer than the 10,000 connections that BatonMQ takes by default.
IDLE = 9_900


@dataclass(frozen=True, slots=True)
class Scenario(beside.Scenario):
    """Many connections; `window` counts confirms that each producer waits for at most."""

    window: int = 100
    producers: int = 1
    consumers: int = 1
    queues: int = 1
    fanout: bool = False
    """Whether each message goes to all queues."""
    idle: int = 0
    """Connections that only are there."""
    held: list[Held] = field(default_factory=list, compare=False)

    def keys(self, count: int) -> dict[str, str | int]:
        """The load generator's settings."""
        keys: dict[str, str | int] = {"name": self.queue, "count": count, "size": self.size, "confirm": self.window}
        keys |= {"persistent": int(self.persistent), "fanout": int(self.fanout)}
        return keys | {"producers": self.producers, "consumers": self.consumers, "queues": self.queues}

    def deliveries(self, count: int) -> int:
        """How many are delivered when so many are published."""
        return count * self.queues if self.fanout else count

    def before(self, program: Path, broker: Broker, count: int) -> None:
        """Connect those who only look on."""
        if self.idle:
            self.held.append(Held(program.with_name("holdload"), broker.port, "connections", self.idle))

    def release(self) -> None:
        """They go."""
        while self.held:
            self.held.pop().close()

    def load(self, program: Path, broker: Broker, count: int) -> Load:
        """Load the broker with so many messages."""
        return load.run(program, port=broker.port, **self.keys(count))

    def figures(self) -> list[Figure]:
        """What comes out, empty."""
        return [
            Figure(self.name, "msg/s", self.rate),
            Figure(f"{self.name}: broker CPU", "us/msg", less=True),
        ]


def _crowds(persistent: bool) -> list[Scenario]:
    kind, count = ("persistent", 100_000) if persistent else ("not persistent", 200_000)
    return [
        Scenario(f"{ALONE}, {kind}", count, 2_000, persistent=persistent),
        *(
            Scenario(
                f"100 producers, 100 consumers, {queues} queue{'s' * (queues > 1)}, {kind}",
                count,
                2_000,
                persistent=persistent,
                producers=100,
                consumers=100,
                queues=queues,
            )
            for queues in (1, 10, 100)
        ),
    ]


SCENARIOS: Sequence[Scenario] = (
    *_crowds(persistent=False),
    *_crowds(persistent=True),
    Scenario("10 producers, 1000 consumers, 1 queue, not persistent", 200_000, 2_000, producers=10, consumers=1000),
    Scenario("fan-out to 1000 queues, not persistent", 500, 10, consumers=10, queues=1000, window=10, fanout=True),
    Scenario(f"{ALONE}, not persistent, beside {IDLE} idle connections", 200_000, 2_000, idle=IDLE),
)


def open_files() -> int:
    """Raise the number of files that this process and those that it starts may open as far as it goes; the number."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return most


def run(settings: Settings) -> Section:
    """Measure; the peers take part where they are installed."""
    program = load.build(settings.programs, "manyload")
    load.build(settings.programs, "holdload")
    section, brokers = prepare("Many connections, 16 B, confirmed", settings.folder / "connections", floor=False)
    section.notes.append(
        "a message of a fan-out counts once for each queue; each producer waits for 100 confirms at most"
    )
    scenarios = SCENARIOS
    if (files := open_files()) < IDLE + 1_000:
        section.notes.append(f"{IDLE} idle connections need as many open files; ulimit -Hn allows {files}")
        scenarios = [scenario for scenario in SCENARIOS if not scenario.idle]
    beside.compare(section, brokers, scenarios, program, settings)
    return section
