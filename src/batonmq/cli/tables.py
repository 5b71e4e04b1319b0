"""Rows in columns."""

from __future__ import annotations

from collections.abc import Sequence

from batonmq.cli.names import columns, shown

__all__ = ["counted", "table"]


def table(head: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[int] = ()) -> str:
    """Rows in columns, below their heads; the columns whose numbers are in `right` are aligned to the right."""
    rows = [[shown(cell) for cell in row] for row in rows]
    widths = [max(columns(row[column]) for row in (head, *rows)) for column in range(len(head))]
    lines = [
        "  ".join(
            _padded(cell, width, to_the_right=column in right)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in (head, *rows)
    ]
    return "\n".join(lines)


def _padded(cell: str, width: int, *, to_the_right: bool) -> str:
    space = " " * (width - columns(cell))
    return space + cell if to_the_right else cell + space


def counted(count: object) -> str:
    """A number of messages, in words."""
    number = count if isinstance(count, int) else 0
    return f"{number:,} {'message' if number == 1 else 'messages'}"
