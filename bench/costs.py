"""Section `costs`: what an idle connection, channel, consumer, binding, queue and a waiting message take of memory."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from bench import load
from bench.broker import prepare
from bench.brokers import Broker
from bench.connections import open_files
from bench.failures import BenchError
from bench.holding import Held
from bench.processes import memory, settle
from bench.report import Figure, Section, median
from bench.settings import Settings, say

__all__ = ["KINDS", "extrapolated", "run"]

# Queues last: they are durable, and are still there at the next start.
KINDS = ("connections", "channels", "consumers", "bindings", "queues")
# Garbage of an Erlang node comes and goes by some megabytes: so many make it small for each.
COUNT, QUICK_COUNT = 5_000, 200
SIZE = 16
QUICK_MESSAGES = 20_000
FAR = 100_000_000
# Each half as far as the next.
POINTS = (4, 2, 1)


def run(settings: Settings) -> Section:
    """Measure; the peers take part where they are installed, each with a process of its own for each figure."""
    open_files()
    section, candidates = prepare("What the idle and the waiting cost", settings.folder / "costs", floor=False)
    holder, program = load.build(settings.programs, "holdload"), load.build(settings.programs)
    messages = min(settings.messages, QUICK_MESSAGES) if settings.quick else settings.messages
    points = [messages // part for part in POINTS]
    idle = [Figure(f"an idle {what[:-1]}", "KiB", less=True) for what in KINDS]
    start = Figure("resident memory after the start", "MB", less=True)
    waiting = [Figure(f"resident memory, {point:,} messages of {SIZE} bytes wait", "MB", less=True) for point in points]
    guess = Figure("the last of these by the line through the first two", "MB", less=True)
    far = Figure(f"by the line through the last two: {FAR:,}", "MB", less=True)
    disk = Figure("on the disk for a waiting message", "B", less=True)
    section.figures = [start, *idle, *waiting, guess, far, disk]
    for column, broker in enumerate(candidates):
        reason = broker.missing()
        try:
            if reason is None:
                for what, figure in zip(KINDS, idle, strict=True):
                    _idle(broker, holder, what, settings.count(COUNT, QUICK_COUNT), figure.column(column))
                columns = [figure.column(column) for figure in (start, *waiting)]
                _waiting(broker, program, points, columns, disk.column(column))
                if column:
                    section.head(column, f"{broker.name} {broker.version}")
        except BenchError as error:
            if column == 0:
                raise
            reason = str(error)
        if reason is not None:
            section.notes.append(f"{broker.name} takes no part: {reason}")
            continue
        first, second, third = (median(figure.column(column)) or 0.0 for figure in waiting)
        guess.column(column).append(extrapolated(points[0], first, points[1], second, points[2]))
        far.column(column).append(extrapolated(points[1], second, points[2], third, FAR))
    each = settings.count(COUNT, QUICK_COUNT)
    section.notes.append(f"{each:,} of each in a broker just started; how good a line is says the one before the last")
    return section


def extrapolated(near: float, at_near: float, far: float, at_far: float, wanted: float) -> float:
    """The value at `wanted` of the line through two points."""
    return at_far + (at_far - at_near) / (far - near) * (wanted - far)


def _idle(broker: Broker, holder: Path, what: str, count: int, column: list[float]) -> None:
    say(f"costs: {count:,} {what}: {broker.name}")
    with broker:
        # What the first of its kind brings along, code and tables, is no cost of each.
        Held(holder, broker.port, what, 10).close()
        settle(broker.pid)
        before = memory(broker.pid)
        with Held(holder, broker.port, what, count):
            settle(broker.pid)
            column.append((memory(broker.pid) - before) * 1024 / count)


def _waiting(broker: Broker, program: Path, points: list[int], columns: list[list[float]], disk: list[float]) -> None:
    with ExitStack() as stack:
        stack.enter_context(broker)
        settle(broker.pid)
        columns[0].append(memory(broker.pid))
        there, empty = 0, _size(broker.folder)
        for point, column in zip(points, columns[1:], strict=True):
            say(f"costs: {point:,} messages wait: {broker.name}")
            load.run(
                program,
                port=broker.port,
                mode="pub",
                queue="costs",
                count=point - there,
                size=SIZE,
                persistent=1,
                confirm=1000,
            )
            there = point
            settle(broker.pid)
            column.append(memory(broker.pid))
        disk.append((_size(broker.folder) - empty) / there)


def _size(folder: Path) -> int:
    """The bytes that the files below take of the disk; what is gone by then takes none."""
    found = 0
    for path in folder.rglob("*"):
        try:
            found += path.lstat().st_blocks * 512
        except OSError:
            continue
    return found
