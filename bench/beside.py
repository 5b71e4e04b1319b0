"""Section `broker`: BatonMQ beside a rabbitmq-server, scenario by scenario, one broker under load at a time.

What compares brokers is here; the section `stomp` does it with other scenarios and one peer more.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from bench import load
from bench.brokers import Baton, Broker, Rabbit
from bench.failures import BenchError
from bench.load import Load
from bench.processes import Usage, memory, settle
from bench.report import Figure, Section, Target, at_least, at_most
from bench.settings import Settings, say

__all__ = ["SCENARIOS", "Scenario", "compare", "run"]

HALF = at_most(0.5)


@dataclass(frozen=True, slots=True)
class Scenario:
    """One way of loading a broker: a producer and a consumer at once, a durable queue."""

    name: str
    count: int
    """Messages in a full run: some seconds of the slower broker."""
    quick: int
    size: int = 16
    persistent: bool = False
    window: int = 0
    """Publishes that wait for their confirm at most; 0: no confirms."""
    latency: bool = False
    """Whether latency is what counts here, not the rate."""
    rate: Target | None = None

    @property
    def queue(self) -> str:
        """The name of its queue."""
        return f"bench-{self.name.replace(' ', '-').replace(',', '')}"

    def keys(self, count: int) -> dict[str, str | int]:
        """The load generator's settings."""
        keys: dict[str, str | int] = {"queue": self.queue, "count": count}
        keys |= {"size": self.size, "persistent": int(self.persistent), "confirm": self.window}
        return keys | ({"lat": 1} if self.latency else {})

    def load(self, program: Path, broker: Broker, count: int) -> Load:
        """Load the broker with so many messages."""
        return load.run(program, port=broker.port, **self.keys(count))

    def figures(self) -> list[Figure]:
        """What comes out, empty."""
        if self.latency:
            limits = [(f"{self.name}, {part}", at_most(1.0)) for part in ("p50", "p99")]
            return [Figure(name, "ms", target) for name, target in limits]
        return [Figure(self.name, "msg/s", self.rate), Figure(f"{self.name}: broker CPU", "us/msg", HALF)]


SCENARIOS: Sequence[Scenario] = (
    Scenario("not persistent", 1_000_000, 50_000, rate=at_least(2.0)),
    Scenario("persistent, window 1000, 16 B", 400_000, 20_000, persistent=True, window=1000, rate=at_least(2.5)),
    Scenario("persistent, window 1000, 1 KiB", 200_000, 10_000, 1024, persistent=True, window=1000, rate=at_least(2.5)),
    Scenario("latency at window 1", 20_000, 1_000, window=1, latency=True),
    Scenario("latency at window 1, persistent", 5_000, 500, persistent=True, window=1, latency=True),
)


def run(settings: Settings) -> Section:
    """Measure; RabbitMQ takes part where it is installed."""
    program = load.build(settings.programs)
    section = Section("One producer, one consumer, a durable queue", Baton.name, Rabbit.name)
    brokers = [Baton(settings.folder / "batonmq"), Rabbit(settings.folder / "rabbitmq")]
    compare(section, brokers, SCENARIOS, program, settings)
    return section


def compare(
    section: Section, candidates: Sequence[Broker], scenarios: Sequence[Scenario], program: Path, settings: Settings
) -> None:
    """Load BatonMQ, which is the first, and at most two peers; a peer that takes no part says why in the notes."""
    with ExitStack() as stack:
        brokers = _start(section, candidates, stack)
        measured = [(scenario, scenario.figures()) for scenario in scenarios]
        resident = Figure("resident memory after a scenario", "MB")
        for number in range(settings.rounds):
            # Each goes first as often as the others: what the first has left to the disk slows the second.
            first = number % len(brokers)
            for scenario, figures in measured:
                for column, broker in [*brokers[first:], *brokers[:first]]:
                    say(f"round {number + 1} of {settings.rounds}: {scenario.name}: {broker.name}")
                    count = settings.count(scenario.count, scenario.quick)
                    _measure(broker, scenario, count, program, [figure.columns[column] for figure in figures])
                    resident.columns[column].append(memory(broker.pid))
        most = Figure("resident memory at most", "MB")
        for column, broker in brokers:
            most.columns[column].append(memory(broker.pid, peak=True))
    section.figures = [figure for _, figures in measured for figure in figures] + [resident, most]
    section.notes.append(
        f"median of {settings.rounds} rounds; CPU is user and system time of all the broker's processes"
    )


def _start(section: Section, candidates: Sequence[Broker], stack: ExitStack) -> list[tuple[int, Broker]]:
    """Those that run now, with their columns; heads get versions."""
    ours, *peers = candidates
    say(f"starting {ours.name} ...")
    running = [(0, stack.enter_context(ours))]
    for column, peer in enumerate(peers, 1):
        reason = peer.missing()
        if reason is None:
            say(f"starting {peer.name} ...")
            try:
                running.append((column, stack.enter_context(peer)))
            except BenchError as error:
                reason = str(error)
        if reason is not None:
            section.notes.append(f"{peer.name} takes no part: {reason}")
        elif column == 1:
            section.theirs = f"{peer.name} {peer.version}"
        else:
            section.others = f"{peer.name} {peer.version}"
    return running


def _measure(broker: Broker, scenario: Scenario, count: int, program: Path, samples: Sequence[list[float]]) -> None:
    settle(broker.pid)
    usage = Usage(broker.pid)
    loaded = scenario.load(program, broker, count)
    settle(broker.pid)
    microseconds = usage.seconds() / count * 1e6
    found = (loaded.p50, loaded.p99) if scenario.latency else (loaded.rate, microseconds)
    for column, value in zip(samples, found, strict=True):
        if value is not None:
            column.append(value)
