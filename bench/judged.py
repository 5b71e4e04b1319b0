"""Which of the project's targets a measurement reaches: `python -m bench --targets FILE...`.

A target is a row of one table here, and a figure of a section's JSON; several files are taken as one measurement, the
later before the earlier. What was not measured is not judged.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.failures import BenchError
from bench.report import number

__all__ = ["ROWS", "Row", "judge", "read"]

LAVINMQ, RABBITMQ4, FLOOR, PURE = r"LavinMQ \d", r"RabbitMQ 4", r"no broker", r"pure Python"
ANY = r"."
Figures = dict[str, dict[str, dict[str, float]]]
"""By section's title and figure's name: medians, by the head of the column."""


@dataclass(frozen=True, slots=True)
class Row:
    """A target: ours to a peer's median of one figure."""

    section: str
    """How its title begins."""
    figure: str
    peer: str
    """What the heads of the peers' columns must match; the best of those counts."""
    limit: float
    less: bool = False
    """Whether less is better."""

    def __str__(self) -> str:
        peer = {ANY: "the best peer", LAVINMQ: "LavinMQ", RABBITMQ4: "RabbitMQ 4", FLOOR: "the floor", PURE: "pure"}[
            self.peer
        ]
        return f"{'<=' if self.less else '>='} {self.limit:g} x {peer}"

    def ratio(self, figures: Figures) -> float | None:
        """Ours to theirs; None where either was not measured."""
        found = next((all_of for title, all_of in figures.items() if title.startswith(self.section)), {})
        medians = found.get(self.figure, {})
        ours, *peers = [*medians.items()] or [("", 0.0)]
        floor = self.peer == FLOOR
        theirs = [value for head, value in peers if value and re.match(self.peer, head) and floor == (head == FLOOR)]
        if not ours[1] or not theirs:
            return None
        best: Callable[[Sequence[float]], float] = min if self.less else max
        return ours[1] / best(theirs)


BROKER, STOMP = "One producer, one consumer", "STOMP"
LATENCY, EMBEDDED, COMPILED = "Latency at a fixed rate", "Inside a program", "Compiled modules"
# By the consumer, which settles a hundred at once otherwise.
EACH = "each acknowledged"
# One and a half times as many messages for the same CPU.
THIRD_LESS = 0.667

ROWS: Sequence[Row] = (
    Row(BROKER, "not persistent", LAVINMQ, 1.0),
    Row(BROKER, "not persistent", RABBITMQ4, 6.0),
    Row(BROKER, "publish only, not persistent", LAVINMQ, 0.8),
    Row(BROKER, "consume only, not persistent", LAVINMQ, 0.8),
    *(Row(BROKER, f"persistent, window {window}, 16 B", LAVINMQ, 3.0) for window in (10, 100, 1000)),
    *(
        Row(BROKER, f"persistent, window {window}, {how}", RABBITMQ4, times)
        for window, how, times in (
            (10, "16 B", 4.0),
            (10, EACH, 4.0),
            (100, "16 B", 7.0),
            (100, EACH, 7.0),
            (1000, "16 B", 8.0),
        )
    ),
    *(
        Row(BROKER, f"persistent, window 1, {how}", peer, times)
        for how in ("16 B", EACH)
        for peer, times in ((LAVINMQ, 1.0), (RABBITMQ4, 1.3), (FLOOR, 0.8))
    ),
    Row(BROKER, "persistent, window 10000, 16 B", LAVINMQ, 0.8),
    Row(BROKER, "persistent, window 1000, 1 KiB", LAVINMQ, 0.8),
    Row(STOMP, "not persistent, no receipts, 16 B", ANY, 6.0),
    Row(STOMP, "persistent, receipts, window 1000, 16 B", ANY, 6.0),
    Row(LATENCY, "not persistent, 10,000 msg/s, p99", ANY, 1.0, less=True),
    Row(LATENCY, "persistent, 10,000 msg/s, p99", ANY, 1.0, less=True),
    *(
        Row(COMPILED, f"{name}: broker CPU", PURE, THIRD_LESS, less=True)
        for name in ("AMQP 0-9-1, not persistent", "STOMP, not persistent")
    ),
    Row(EMBEDDED, "one at a time", ANY, 1.7),
    Row(EMBEDDED, "batches of 100", ANY, 20.0),
)


def read(files: Sequence[Path]) -> Figures:
    """The medians in these files of `--json`; BenchError when one of them is none."""
    found: Figures = {}
    for file in files:
        try:
            document: dict[str, Any] = json.loads(file.read_text())
            for section in document["sections"]:
                figures = found.setdefault(section["title"], {})
                figures |= {each["name"]: each["medians"] for each in section["figures"]}
        except OSError as error:
            raise BenchError(f"{file} cannot be read: {error.strerror}") from None
        except (ValueError, KeyError, TypeError):
            raise BenchError(f"{file} is no file that --json has written") from None
    return found


def judge(figures: Figures) -> str:
    """A line for each target: the figure, the target, the ratio, and whether it was met."""
    rows = [("figure", "target", "measured", "")]
    for row in ROWS:
        ratio = row.ratio(figures)
        verdict = "not measured" if ratio is None else ""
        if ratio is not None:
            verdict = "met" if (ratio <= row.limit if row.less else ratio >= row.limit) else "MISSED"
        rows.append((f"{row.section}: {row.figure}", str(row), "-" if ratio is None else f"{number(ratio)}x", verdict))
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row[:3], widths, strict=True)) for row in rows]
    return "\n".join(f"{line}  {row[3]}".rstrip() for line, row in zip(lines, rows, strict=True))
