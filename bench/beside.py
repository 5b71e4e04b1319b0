"""Section `broker`: BatonMQ beside a rabbitmq-server, scenario by scenario, one broker under load at a time."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from bench import load
from bench.brokers import Baton, Broker, Rabbit
from bench.processes import Usage, memory, settle
from bench.report import Figure, Section, Target, at_least, at_most
from bench.settings import Settings, say

__all__ = ["SCENARIOS", "Scenario", "run"]

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

    def keys(self, count: int) -> dict[str, str | int]:
        """The load generator's settings."""
        keys: dict[str, str | int] = {"queue": f"bench-{self.name.replace(' ', '-').replace(',', '')}", "count": count}
        keys |= {"size": self.size, "persistent": int(self.persistent), "confirm": self.window}
        return keys | ({"lat": 1} if self.latency else {})

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
    program = load.build(settings.loadgen, settings.programs)
    section = Section("One producer, one consumer, a durable queue", Baton.name, Rabbit.name)
    with ExitStack() as stack:
        brokers: list[Broker] = [stack.enter_context(Baton(settings.folder / "batonmq"))]
        if Rabbit.installed():
            say("starting rabbitmq-server ...")
            brokers.append(stack.enter_context(Rabbit(settings.folder / "rabbitmq")))
            section.theirs = f"{Rabbit.name} {brokers[1].version}"
        else:
            section.notes.append("rabbitmq-server is not installed: nothing to compare with")
        measured = [(scenario, scenario.figures()) for scenario in SCENARIOS]
        resident = Figure("resident memory after a scenario", "MB")
        for number in range(settings.rounds):
            # Each goes first as often as the other: what the first has left to the disk slows the second.
            turn = brokers if number % 2 == 0 else brokers[::-1]
            for scenario, figures in measured:
                for broker in turn:
                    say(f"round {number + 1} of {settings.rounds}: {scenario.name}: {broker.name}")
                    _measure(broker, scenario, figures, resident, program, settings)
        most = Figure("resident memory at most", "MB")
        for broker in brokers:
            _samples(most, broker).append(memory(broker.pid, peak=True))
    section.figures = [figure for _, figures in measured for figure in figures] + [resident, most]
    section.notes.append(
        f"median of {settings.rounds} rounds; CPU is user and system time of all the broker's processes"
    )
    return section


def _measure(
    broker: Broker,
    scenario: Scenario,
    figures: Sequence[Figure],
    resident: Figure,
    program: Path,
    settings: Settings,
) -> None:
    count = settings.count(scenario.count, scenario.quick)
    settle(broker.pid)
    usage = Usage(broker.pid)
    loaded = load.run(program, port=broker.port, **scenario.keys(count))
    settle(broker.pid)
    microseconds = usage.seconds() / count * 1e6
    found = (loaded.p50, loaded.p99) if scenario.latency else (loaded.rate, microseconds)
    for figure, value in zip(figures, found, strict=True):
        if value is not None:
            _samples(figure, broker).append(value)
    _samples(resident, broker).append(memory(broker.pid))


def _samples(figure: Figure, broker: Broker) -> list[float]:
    return figure.ours if isinstance(broker, Baton) else figure.theirs
