"""Reads the pages of a database directly, where SQLite refuses to: cells of leaves, and records.

The form is that of https://www.sqlite.org/fileformat2.html. A damaged page yields its whole cells.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self, TypeAlias

__all__ = ["Pages", "Values"]

HEADER_SIZE = 100
PAGE_SIZE = 8192
TABLE_LEAF = 0x0D
INDEX_LEAF = 0x0A
# Kinds of pages in the pointer map (section 1.8).
FREE, OVERFLOW_FIRST, OVERFLOW_NEXT = 2, 3, 4
INTEGER_SIZES = (0, 1, 2, 3, 4, 6, 8)
# Types that no record is written with; SQLite reads them as NULL.
RESERVED = (10, 11)
LONGEST = 1_000_000_000

Values: TypeAlias = list[int | float | str | bytes | None]


class Pages:
    """The pages of a file, without its log."""

    def __init__(self, path: Path) -> None:
        """Raises OSError."""
        self._file = path.open("rb")
        header = self._file.read(HEADER_SIZE).ljust(HEADER_SIZE, b"\0")
        size = int.from_bytes(header[16:18], "big")
        size = 65536 if size == 1 else size
        self._size = size if size >= 512 and size & (size - 1) == 0 else PAGE_SIZE
        self._usable = self._size - (header[20] if header[20] < 32 else 0)
        self._has_map = header[52:56] != bytes(4) or header[:16] != b"SQLite format 3\0"
        self.count = -(-path.stat().st_size // self._size)
        """The number of pages."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._file.close()

    def _page(self, number: int) -> bytes:
        self._file.seek((number - 1) * self._size)
        return self._file.read(self._size).ljust(self._size, b"\0")

    def _kinds(self) -> Iterator[tuple[int, int]]:
        """Each page that is not a map, with its kind in the map; 0: unknown."""
        per_map = self._usable // 5
        number = 2 if self._has_map else 1
        if self._has_map:
            yield 1, 0
        while number <= self.count:
            if not self._has_map:
                yield number, 0
                number += 1
                continue
            known = self._page(number)
            for entry in range(min(per_map, self.count - number)):
                yield number + entry + 1, known[5 * entry]
            number += per_map + 1

    def rows(self) -> Iterator[tuple[int, Values]]:
        """All rows of all tables in pages that are not free: number and values.

        A row of a table WITHOUT ROWID has the number 0. Cells that are not records are skipped.
        """
        for number, kind in self._kinds():
            if kind in (FREE, OVERFLOW_FIRST, OVERFLOW_NEXT):
                continue
            page = self._page(number)
            start = HEADER_SIZE if number == 1 else 0
            if page[start] in (TABLE_LEAF, INDEX_LEAF):
                yield from self._cells(page, start)

    def _cells(self, page: bytes, start: int) -> Iterator[tuple[int, Values]]:
        is_table = page[start] == TABLE_LEAF
        # Never more than fit, whatever the page claims.
        count = min(int.from_bytes(page[start + 3 : start + 5], "big"), self._usable // 4)
        for entry in range(count):
            at = start + 8 + 2 * entry
            try:
                found = self._cell(page, int.from_bytes(page[at : at + 2], "big"), is_table=is_table)
            except (IndexError, ValueError):
                continue
            yield found

    def _cell(self, page: bytes, at: int, *, is_table: bool) -> tuple[int, Values]:
        """Section 1.6. Raises IndexError, ValueError."""
        size, at = _varint(page, at)
        row = 0
        if is_table:
            row, at = _varint(page, at)
            row = row - (1 << 64) if row >> 63 else row
        if size > LONGEST:
            raise ValueError("longer than a record can be")
        usable = self._usable
        most = usable - 35 if is_table else (usable - 12) * 64 // 255 - 23
        local = size
        if size > most:
            least = (usable - 12) * 32 // 255 - 23
            local = least + (size - least) % (usable - 4)
            if local > most:
                local = least
        parts = [page[at : at + local]]
        left = size - local
        overflow = int.from_bytes(page[at + local : at + local + 4], "big") if left else 0
        while left > 0:
            if not 1 < overflow <= self.count:
                raise ValueError("the rest of it is gone")
            following = self._page(overflow)
            part = following[4 : min(usable, 4 + left)]
            parts.append(part)
            left -= len(part)
            overflow = int.from_bytes(following[:4], "big")
        return row, _record(b"".join(parts))


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for _ in range(8):
        byte = data[at]
        at += 1
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            return value, at
    return value << 8 | data[at], at + 1


def _text(part: bytes) -> str | bytes:
    """A text, or its bytes if a wrong bit makes it none."""
    try:
        return part.decode()
    except UnicodeDecodeError:
        return part


def _record(data: bytes) -> Values:
    """Section 2.1. Raises IndexError, ValueError."""
    end, at = _varint(data, 0)
    kinds = []
    while at < end:
        kind, at = _varint(data, at)
        kinds.append(kind)
    if at != end:
        raise ValueError("a header that ends within a value")
    values: Values = []
    for kind in kinds:
        if kind >= 12:
            size = (kind - 12) // 2
            part = data[at : at + size]
            if len(part) != size:
                raise ValueError("cut off")
            values.append(_text(part) if kind % 2 else part)
            at += size
        elif kind in (8, 9):
            values.append(kind - 8)
        elif kind in RESERVED:
            values.append(None)
        elif kind <= 6:
            size = INTEGER_SIZES[kind]
            part = data[at : at + size]
            if len(part) != size:
                raise ValueError("cut off")
            values.append(int.from_bytes(part, "big", signed=True) if kind else None)
            at += size
        else:
            raise ValueError("no type that a store has")
    return values
