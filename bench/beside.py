"""Brokers beside each other: scenario by scenario, one broker under load at a time.

Which scenarios and which peers there are, the sections say: `broker`, `stomp`, `amqp10`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from bench import load
from bench.brokers import Broker
from bench.failures import BenchError
from bench.load import Load
from bench.processes import Usage, memory, settle
from bench.report import Figure, Section, Target, at_most
from bench.settings import Settings, in_turn, say

__all__ = ["Scenario", "compare", "start"]

HALF = at_most(0.5)


@dataclass(frozen=True, slots=True)
class Scenario:
    """One way of loading a broker through a durable queue: a producer and a consumer at once, if it does not say."""

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
    acks: int = 0
    """How many deliveries the consumer settles at once; 0: a hundred, which the load generator does by itself."""
    mode: str = "both"
    """What is measured: a producer and a consumer at once, or only one of them."""

    @property
    def queue(self) -> str:
        """The name of its queue."""
        return f"bench-{self.name.replace(' ', '-').replace(',', '')}"

    def keys(self, count: int) -> dict[str, str | int]:
        """The load generator's settings."""
        keys: dict[str, str | int] = {"queue": self.queue, "count": count}
        keys |= {"size": self.size, "persistent": int(self.persistent), "confirm": self.window}
        return keys | ({"acks": self.acks} if self.acks else {}) | ({"lat": 1} if self.latency else {})

    def load(self, program: Path, broker: Broker, count: int) -> Load:
        """Load the broker with so many messages."""
        return load.run(program, port=broker.port, **self.keys(count), mode=self.mode)

    def deliveries(self, count: int) -> int:
        """How many messages are handled when so many are published."""
        return count

    def before(self, program: Path, broker: Broker, count: int) -> None:
        """What has to be done first, and does not count: what is only consumed must have been published."""
        if self.mode == "sub":
            load.run(program, port=broker.port, **self.keys(count), mode="pub")

    def after(self, program: Path, broker: Broker, count: int) -> None:
        """What has to be done then, and does not count: what was only published goes."""
        if self.mode == "pub":
            load.run(program, port=broker.port, **self.keys(count), mode="sub")

    def release(self) -> None:
        """Let go of what `before` holds, whatever happened."""

    def floor(self, program: Path, file: Path, count: int) -> Load:
        """The same bytes and syncs with no broker between."""
        keys = {key: value for key, value in self.keys(count).items() if key not in {"queue", "acks"}}
        return load.run(program, file=str(file), **keys)

    def figures(self) -> list[Figure]:
        """What comes out, empty."""
        if self.latency:
            limits = [(f"{self.name}, {part}", at_most(1.0)) for part in ("p50", "p99")]
            return [Figure(name, "ms", target) for name, target in limits]
        return [Figure(self.name, "msg/s", self.rate), Figure(f"{self.name}: broker CPU", "us/msg", HALF)]


def compare(
    section: Section,
    candidates: Sequence[Broker],
    scenarios: Sequence[Scenario],
    program: Path,
    settings: Settings,
    floor: Path | None = None,
) -> None:
    """Load BatonMQ, which is the first, and its peers; a peer that takes no part says why in the notes.

    ``floor`` is the program that does the same without a broker, where there is to be a column of it.
    """
    with ExitStack() as stack:
        brokers = start(section, candidates, stack)
        measured = [(scenario, scenario.figures()) for scenario in scenarios]
        resident = Figure("resident memory after a scenario", "MB", less=True)
        for number in range(settings.rounds):
            for place, (scenario, figures) in enumerate(measured):
                count = settings.count(scenario.count, scenario.quick)
                for column, broker in in_turn(brokers, number + place):
                    say(f"round {number + 1} of {settings.rounds}: {scenario.name}: {broker.name}")
                    samples = [figure.column(column) for figure in figures]
                    try:
                        _measure(broker, scenario, count, program, samples)
                        resident.column(column).append(memory(broker.pid))
                    except BenchError as error:  # a peer's trouble is no end of the others' figures
                        if column == 0:
                            raise
                        section.notes.append(f"{broker.name}, {scenario.name}: {error}")
                if floor is not None and scenario.mode == "both":
                    say(f"round {number + 1} of {settings.rounds}: {scenario.name}: {section.floor}")
                    _put(scenario.floor(floor, settings.folder / "floor.data", count), scenario, figures)
        most = Figure("resident memory at most", "MB", less=True)
        for column, broker in brokers:
            most.column(column).append(memory(broker.pid, peak=True))
    section.figures = [figure for _, figures in measured for figure in figures] + [resident, most]
    section.notes.append(
        f"median of {settings.rounds} rounds; CPU is user and system time of all the broker's processes"
    )


def start(section: Section, candidates: Sequence[Broker], stack: ExitStack) -> list[tuple[int, Broker]]:
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
        else:
            # "RabbitMQ 4" and "4.3.6" are one version.
            section.head(column, f"{re.sub(r' [0-9]+$', '', peer.name)} {peer.version}")
    return running


def _measure(broker: Broker, scenario: Scenario, count: int, program: Path, samples: Sequence[list[float]]) -> None:
    try:
        scenario.before(program, broker, count)
        settle(broker.pid)
        usage = Usage(broker.pid)
        loaded = scenario.load(program, broker, count)
        settle(broker.pid)
        microseconds = usage.seconds() / scenario.deliveries(count) * 1e6
    finally:
        scenario.release()
    found = (loaded.p50, loaded.p99) if scenario.latency else (loaded.rate, microseconds)
    for column, value in zip(samples, found, strict=True):
        if value is not None:
            column.append(value)
    scenario.after(program, broker, count)


def _put(loaded: Load, scenario: Scenario, figures: Sequence[Figure]) -> None:
    """Add what the floor has reached, which has no CPU of a broker."""
    found = (loaded.p50, loaded.p99) if scenario.latency else (loaded.rate,)
    for figure, value in zip(figures, found, strict=False):
        if value is not None:
            figure.floor.append(value)
