"""Figures, their targets, and the table that shows them."""

from __future__ import annotations

import json
import os
import platform
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

__all__ = ["Figure", "Section", "Target", "at_least", "at_most", "document", "machine", "table", "write"]

EMPTY = "-"


@dataclass(frozen=True, slots=True)
class Target:
    """A limit for the ratio of two medians, or for ours alone."""

    limit: float
    upper: bool
    of_ratio: bool = True

    def __str__(self) -> str:
        return f"{'<=' if self.upper else '>='} {self.limit:g}{'x' if self.of_ratio else ''}"


def at_least(times: float) -> Target:
    """Ours is this many times theirs, or more."""
    return Target(times, upper=False)


def at_most(times: float) -> Target:
    """Ours is this many times theirs, or less."""
    return Target(times, upper=True)


@dataclass(slots=True)
class Figure:
    """One thing measured, a sample a round, and what was to be reached."""

    name: str
    unit: str
    target: Target | None = None
    ours: list[float] = field(default_factory=list)
    theirs: list[float] = field(default_factory=list)
    others: list[list[float]] = field(default_factory=list)
    """Those of further peers, in sections that have some."""
    floor: list[float] = field(default_factory=list)
    """What the same takes with no broker at all; it takes no part in the ratio."""
    less: bool = False
    """Whether less is better; a target says it too."""

    def column(self, index: int) -> list[float]:
        """The samples of a column, in the section's order: ours are 0, the first peer's 1."""
        while len(self.others) < index - 1:
            self.others.append([])
        return (self.ours, self.theirs, *self.others)[index]

    @property
    def ratio(self) -> float | None:
        """Our median to theirs, the best peer's where there are several; None where there is nothing to compare."""
        ours = median(self.ours)
        peers = [found for found in map(median, (self.theirs, *self.others)) if found]
        if ours is None or not peers:
            return None
        less = self.less if self.target is None else self.target.upper
        return ours / (min(peers) if less else max(peers))

    @property
    def met(self) -> bool | None:
        """Whether the target was reached; None where there is none, or nothing to hold against it."""
        if self.target is None:
            return None
        value = self.ratio if self.target.of_ratio else median(self.ours)
        if value is None:
            return None
        return value <= self.target.limit if self.target.upper else value >= self.target.limit


@dataclass(slots=True)
class Section:
    """Figures that belong together: a title, the heads of the columns, and what must be known to read them."""

    title: str
    ours: str
    theirs: str
    figures: list[Figure] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)
    """Further peers."""
    floor: str = ""
    """The head of the column of what no broker can be better than, where there is one."""
    histograms: dict[str, dict[str, list[tuple[int, int]]]] = field(default_factory=dict)
    """By figure and column: steps and counts, as `bench.load.Load` has them."""

    @property
    def heads(self) -> list[str]:
        """Those of the columns, ours first, without the floor."""
        return [name for name in (self.ours, self.theirs, *self.others) if name]

    def samples(self, figure: Figure) -> dict[str, list[float]]:
        """Those of one of its figures, by the head of the column; the floor's last."""
        found = {head: figure.column(index) for index, head in enumerate(self.heads)}
        return found | ({self.floor: figure.floor} if self.floor else {})

    def head(self, column: int, name: str) -> None:
        """Name a peer's column: 1 is the first peer's."""
        if column == 1:
            self.theirs = name
        else:
            self.others[column - 2] = name


def median(samples: Sequence[float]) -> float | None:
    """The median, or None of nothing."""
    return statistics.median(samples) if samples else None


def table(section: Section) -> str:
    """The section for a terminal."""
    heads = [*section.heads, *([section.floor] if section.floor else [])]
    head = ("", *heads, "ratio", "target", "")
    rows = [head, *(_cells(figure, section) for figure in section.figures)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
    lines = [section.title, ""]
    for row in rows:
        cells = [
            row[0].ljust(widths[0]),
            *(cell.rjust(width) for cell, width in zip(row[1:-1], widths[1:-1], strict=True)),
        ]
        lines.append("  ".join([*cells, row[-1]]).rstrip())
    return "\n".join([*lines, *(f"  {note}" for note in section.notes)])


def write(file: Path, sections: Sequence[Section], about: dict[str, str]) -> None:
    """The same as JSON, with every sample."""
    file.write_text(json.dumps(document(sections, about), indent=2) + "\n")


def document(sections: Sequence[Section], about: dict[str, str]) -> dict[str, Any]:
    """What `write` writes."""
    return {"machine": about, "sections": [_plain(section) for section in sections]}


def machine() -> dict[str, str]:
    """What the figures depend on: processors, memory, versions."""
    import apsw

    import batonmq

    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {
        "cores": str(len(os.sched_getaffinity(0))),
        "processor": _processor(),
        "memory": f"{pages / 2**30:.0f} GiB",
        "load before": f"{os.getloadavg()[0]:.2f}",
        "system": f"{platform.system()} {platform.release()}",
        "Python": f"{platform.python_implementation()} {platform.python_version()}",
        "SQLite": apsw.sqlite_lib_version(),
        "BatonMQ": f"{batonmq.__version__}, {'compiled' if getattr(batonmq, 'compiled', False) else 'pure Python'}",
    }


def _cells(figure: Figure, section: Section) -> tuple[str, ...]:
    ratio = figure.ratio
    medians = [median(samples) for samples in section.samples(figure).values()]
    return (
        f"{figure.name}, {figure.unit}",
        *(EMPTY if found is None else number(found) for found in medians),
        EMPTY if ratio is None else f"{ratio:.2f}x",
        "" if figure.target is None else str(figure.target),
        "" if figure.target is None else {True: "met", False: "MISSED", None: "not compared"}[figure.met],
    )


def number(value: float) -> str:
    """Three digits that count, thousands apart."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.3f}" if abs(value) < 1 else f"{value:.2f}"


def _plain(section: Section) -> dict[str, object]:
    return {
        "title": section.title,
        "columns": section.heads,
        "floor": section.floor,
        "notes": section.notes,
        "figures": [
            {
                "name": figure.name,
                "unit": figure.unit,
                "medians": {head: median(samples) for head, samples in section.samples(figure).items()},
                "ratio": figure.ratio,
                "target": None if figure.target is None else str(figure.target),
                "met": figure.met,
                "samples": section.samples(figure),
            }
            for figure in section.figures
        ],
        "histograms": section.histograms,
    }


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.machine() or "unknown"
