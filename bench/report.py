"""Figures, their targets, and the table that shows them."""

from __future__ import annotations

import json
import os
import platform
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["Figure", "Section", "Target", "at_least", "at_most", "machine", "table", "write"]

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
    others: list[float] = field(default_factory=list)
    """A second peer's, in sections that have one."""

    @property
    def columns(self) -> tuple[list[float], list[float], list[float]]:
        """The samples in the order of the section's columns."""
        return self.ours, self.theirs, self.others

    @property
    def ratio(self) -> float | None:
        """Our median to theirs, the better peer's where there are two; None where there is nothing to compare."""
        ours = median(self.ours)
        peers = [found for found in (median(self.theirs), median(self.others)) if found]
        if ours is None or not peers:
            return None
        return ours / (min(peers) if self.target is not None and self.target.upper else max(peers))

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
    others: str = ""
    """The second peer, where there is one."""


def median(samples: Sequence[float]) -> float | None:
    """The median, or None of nothing."""
    return statistics.median(samples) if samples else None


def table(section: Section) -> str:
    """The section for a terminal."""
    heads = [name for name in (section.ours, section.theirs, section.others) if name]
    head = ("", *heads, "ratio", "target", "")
    rows = [head, *(_cells(figure, len(heads)) for figure in section.figures)]
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
    document = {"machine": about, "sections": [_plain(section) for section in sections]}
    file.write_text(json.dumps(document, indent=2) + "\n")


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
        "BatonMQ": batonmq.__version__,
    }


def _cells(figure: Figure, columns: int) -> tuple[str, ...]:
    ratio = figure.ratio
    medians = [median(samples) for samples in figure.columns[:columns]]
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
        "ours": section.ours,
        "theirs": section.theirs,
        "others": section.others,
        "notes": section.notes,
        "figures": [
            {
                "name": figure.name,
                "unit": figure.unit,
                "ours": median(figure.ours),
                "theirs": median(figure.theirs),
                "others": median(figure.others),
                "ratio": figure.ratio,
                "target": None if figure.target is None else str(figure.target),
                "met": figure.met,
                "samples": {"ours": figure.ours, "theirs": figure.theirs, "others": figure.others},
            }
            for figure in section.figures
        ],
    }


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.machine() or "unknown"
