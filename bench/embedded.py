"""Queues inside a Python program: send, receive and settle messages of 16 bytes, durably.

    build/compiled/bin/python -m bench.embedded [--messages 2000] [--rounds 3] [--folder DIR]
    python -m bench --only embedded

Peers that are installed take part; `bench.embedded_peers` says which there are and what they promise. Their
receiving and settling waits for the disk as well, which is how they are built; BatonMQ's need not. Rounds alternate
between them, since a disk is not the same from one minute to the next; the median counts. Some settle at the
moment of receiving: what a crashed program held is lost there.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import importlib.util
import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from bench import embedded_processes
from bench.embedded_peer import BATCH, FULL, Peer
from bench.embedded_peers import LEFT_OUT, PEERS, Baton
from bench.failures import BenchError
from bench.report import Figure, Section, at_least
from bench.settings import Settings, in_turn, say

__all__ = ["compare", "measure", "run", "share"]

FIGURES = {"one at a time": at_least(1.7), f"batches of {BATCH}": at_least(20)}
# Peers without batches do a hundred one by one: fewer of them tell as much.
SLOW_BATCHES = 3


def measure(kind: type[Peer], messages: int, folder: Path | None) -> tuple[float, float]:
    """Messages a second: one at a time, and in batches. Raises ImportError, BenchError when it is not durable."""
    with tempfile.TemporaryDirectory(dir=folder) as name, closing(kind(Path(name))) as peer:
        peer.one()
        if (level := peer.synchronous()) < FULL:
            raise BenchError(f"its commits do not wait for the disk (synchronous={level})")
        single = _rate(peer.one, messages, 1)
        batches = max(SLOW_BATCHES, messages // BATCH) if kind.batch is not Peer.batch else SLOW_BATCHES
        many = _rate(peer.batch, batches, BATCH)
    return single, many


def _rate(call: Callable[[], None], calls: int, each: int) -> float:
    began = time.perf_counter()
    for _ in range(calls):
        call()
    return calls * each / (time.perf_counter() - began)


def compare(messages: int, rounds: int, folder: Path | None) -> dict[str, list[tuple[float, float]]]:
    """What each installed peer reached in each round."""
    rates: dict[str, list[tuple[float, float]]] = {}
    for number in range(rounds):
        for kind in in_turn(PEERS, number):
            try:
                rates.setdefault(kind.name, []).append(measure(kind, messages, folder))
            except (ImportError, BenchError) as error:
                rates.pop(kind.name, None)
                say(f"{kind.name} takes no part: {error}")
    for name, reason in LEFT_OUT.items():
        if importlib.util.find_spec(name):
            say(f"{name} takes no part: {reason}")
    return rates


def share(messages: int, rounds: int, folder: Path | None, names: list[str]) -> dict[str, list[float]]:
    """Messages a second that several processes put through one file, for those of these peers that can."""
    rates: dict[str, list[float]] = {}
    for number in range(rounds):
        for name in in_turn(names, number):
            with tempfile.TemporaryDirectory(dir=folder) as place:
                try:
                    rates.setdefault(name, []).append(embedded_processes.measure(name, Path(place), messages))
                except BenchError as error:
                    rates.pop(name, None)
                    say(f"several processes: {error}")
    return rates


def run(settings: Settings) -> Section:
    """The same for `python -m bench`: BatonMQ beside each of the others, and the best of them."""
    rates = compare(settings.count(1000, 50), settings.rounds, settings.folder)
    names = [kind.name for kind in PEERS if kind.name in rates]
    section = Section("Inside a program: send, receive and settle 16 bytes, durably", "", "")
    section.ours, section.theirs, *section.others = [*names, ""] if len(names) < 2 else names
    for index, (name, target) in enumerate(FIGURES.items()):
        figure = Figure(name, "msg/s", target)
        for column, peer in enumerate(names):
            figure.column(column).extend(found[index] for found in rates[peer])
        section.figures.append(figure)
    sharing = [kind.name for kind in PEERS if kind.shared and kind.name in rates]
    count = settings.count(2000, 40)
    together = Figure(f"{embedded_processes.PRODUCERS} processes send, {embedded_processes.CONSUMERS} settle", "msg/s")
    for name, found in share(count, settings.rounds, settings.folder, sharing).items():
        together.column(names.index(name)).extend(found)
    section.figures.append(together)
    for kind in PEERS:
        if kind.name in rates:
            section.notes.append(f"{kind.name} {_version(kind.name)}: a message is gone {kind.settles}")
    section.notes += [f"{name} takes no part: {reason}" for name, reason in LEFT_OUT.items()]
    return section


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return ""


def main() -> None:
    """Run the rounds and print a table."""
    parser = argparse.ArgumentParser(description="Embedded queues beside each other.")
    parser.add_argument("--messages", type=int, default=1000, help="one at a time, for each peer and round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="where the files are made: it must be on a disk, not in memory")
    options = parser.parse_args()
    rates = compare(options.messages, options.rounds, options.folder)
    medians = {
        name: (statistics.median(one for one, _ in found), statistics.median(many for _, many in found))
        for name, found in rates.items()
    }
    print(f"{'':16}{'one at a time':>16}{'batches of 100':>16}   messages/s, median of {options.rounds}")
    for name, (one, many) in medians.items():
        print(f"{name:16}{one:16,.0f}{many:16,.0f}")
    others = [rate for name, rate in medians.items() if name != Baton.name]
    if others:
        ours = medians[Baton.name]
        best = max(one for one, _ in others), max(many for _, many in others)
        print(f"{'to the best':16}{ours[0] / best[0]:15.2f}x{ours[1] / best[1]:15.1f}x")


if __name__ == "__main__":
    main()
