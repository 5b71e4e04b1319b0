"""Section `latency`: how long a message takes at a fixed rate, from when it was to be sent until it is there.

From when it was to be sent, not from when it was sent: a broker that stands still for a tenth of a second makes a
thousand of ten thousand messages a second late, and all of them count (no coordinated omission).
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from bench import load
from bench.beside import start
from bench.broker import FLOOR, prepare
from bench.brokers import Broker
from bench.failures import BenchError
from bench.load import Load
from bench.processes import settle
from bench.report import Figure, Section, at_most
from bench.settings import Settings, in_turn, say

__all__ = ["KINDS", "Kind", "run"]

RATES = (1_000, 10_000)
SECONDS, QUICK_SECONDS = 10, 1
SIZE = 16
# So many that nobody waits for confirms at these rates who is not far behind already.
WINDOW = 100_000
BEST = at_most(1.0)
# Less of what was asked for is a backlog, whose latency says how long it was measured.
REACHED = 0.97


@dataclass(frozen=True, slots=True)
class Kind:
    """What is sent."""

    name: str
    persistent: bool
    count: int
    """Messages that tell the maximum, in a full run."""
    quick: int
    window: int
    """Publishes that wait for their confirms when the maximum is measured."""


KINDS = (
    Kind("not persistent", persistent=False, count=1_000_000, quick=20_000, window=0),
    Kind("persistent", persistent=True, count=300_000, quick=5_000, window=1000),
)


def run(settings: Settings) -> Section:
    """Measure; the peers take part where they are installed."""
    program, floor = load.build(settings.programs), load.build(settings.programs, "floor")
    section, candidates = prepare("Latency at a fixed rate, 16 B, from when a message was to be sent", settings.folder)
    with ExitStack() as stack:
        brokers = start(section, candidates, stack)
        for kind in KINDS:
            halves = {column: _maximum(program, broker, kind, settings) // 2 for column, broker in brokers}
            heads = [section.heads[column] for column, _ in brokers]
            told = ", ".join(f"{head} {rate:,}" for head, rate in zip(heads, halves.values(), strict=True))
            section.notes.append(f"{kind.name}, half of each one's maximum, msg/s: {told}")
            for place, rate in enumerate((*RATES, 0), len(section.figures)):
                asked = {column: rate or halves[column] for column, _ in brokers}
                name = f"{kind.name}, {f'{rate:,} msg/s' if rate else 'half of the maximum'}"
                _rounds(section, name, kind, asked, brokers, program, settings, floor if rate else None, place)
    section.notes.append(f"median of {settings.rounds} rounds of {_length(settings)} s each; persistent is confirmed")
    return section


def _length(settings: Settings) -> int:
    return settings.count(SECONDS, QUICK_SECONDS)


def _maximum(program: Path, broker: Broker, kind: Kind, settings: Settings) -> int:
    say(f"latency: {kind.name}: the maximum of {broker.name}")
    count = settings.count(kind.count, kind.quick)
    keys: dict[str, str | int] = {
        "queue": "maximum",
        "size": SIZE,
        "persistent": int(kind.persistent),
        "confirm": kind.window,
    }
    found = load.run(program, port=broker.port, count=count, **keys)
    settle(broker.pid)
    return int(found.rate)


def _rounds(
    section: Section,
    name: str,
    kind: Kind,
    asked: dict[int, int],
    brokers: list[tuple[int, Broker]],
    program: Path,
    settings: Settings,
    floor: Path | None,
    place: int,
) -> None:
    """``place`` is the scenario's among all, for who goes first in it."""
    figures = [
        Figure(f"{name}, p50", "ms", less=True),
        Figure(f"{name}, p99", "ms", BEST),
        Figure(f"{name}, p99.9", "ms", less=True),
    ]
    keys: dict[str, str | int] = {"size": SIZE, "persistent": int(kind.persistent), "lat": 1}
    keys["confirm"] = WINDOW if kind.persistent else 0
    counted: dict[str, dict[int, int]] = {}
    for number in range(settings.rounds):
        for column, broker in in_turn(brokers, number + place):
            say(f"latency: round {number + 1} of {settings.rounds}: {name}: {broker.name}")
            rate, head = asked[column], section.heads[column]
            settle(broker.pid)
            try:
                found = load.run(
                    program, port=broker.port, queue="latency", rate=rate, count=rate * _length(settings), **keys
                )
            except BenchError as error:
                if column == 0:
                    raise
                section.notes.append(f"{broker.name}, {name}: {error}")
                continue
            _take(found, [figure.column(column) for figure in figures], counted.setdefault(head, {}))
            if found.rate < REACHED * rate:
                section.notes.append(f"{head}, {name}: it reached {found.rate:,.0f} of {rate:,} messages a second")
        if floor is not None:
            rate = asked[0]
            file = str(settings.folder / "floor.data")
            found = load.run(floor, file=file, rate=rate, count=rate * _length(settings), **keys)
            _take(found, [figure.floor for figure in figures], counted.setdefault(FLOOR, {}))
    section.figures += figures
    section.histograms[name] = {head: sorted(steps.items()) for head, steps in counted.items()}


def _take(found: Load, samples: list[list[float]], counted: dict[int, int]) -> None:
    for column, value in zip(samples, (found.p50, found.p99, found.p999), strict=True):
        assert value is not None
        column.append(value)
    for step, count in found.histogram:
        counted[step] = counted.get(step, 0) + count
