"""Reads the rows of a damaged file one by one, past the parts that SQLite cannot read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias
from zlib import crc32

import apsw

from batonmq.errors import BatonError
from batonmq.message import framing_of
from batonmq.properties import Properties
from batonmq.store.checksums import MODULUS, WRONG, added, address_sum
from batonmq.store.schema import octets, rows

__all__ = ["MESSAGE_COLUMNS", "MESSAGE_VALUES", "Gap", "Row", "as_written", "fault_of", "past_damage"]

FIRST = -(1 << 63)
LAST = (1 << 63) - 1

MESSAGE_COLUMNS = (
    *("id", "exchange", "routing_key", "properties", "body", "expires", "deliveries", "returned", "stored", "shared"),
    *("due", "place", "dead", "framing", "start", "size", "checksum"),
)
MESSAGE_VALUES = ", ".join(("id", *map(octets, MESSAGE_COLUMNS[1:])))
"""To select them from a file that may be damaged."""
# The first of the number columns, which end before the checksum; and the value of each in most rows.
NUMBERS = MESSAGE_COLUMNS.index("expires")
COMMON = tuple(int(name == "stored") for name in MESSAGE_COLUMNS[NUMBERS:-1])

Row: TypeAlias = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Gap:
    """A range of row numbers that could not be read, and the reason."""

    first: int
    last: int
    why: str


def past_damage(db: apsw.Connection, table: str, columns: str, first: int = FIRST) -> Iterator[Row | Gap]:
    """The rows of a table with an ``id``, in order, from a number on; a gap for each unreadable part."""
    while True:
        try:
            for row in db.execute(f"SELECT {columns} FROM {table} WHERE id >= ? ORDER BY id", (first,)):
                # A page may have the rows of another page.
                if row[0] >= first:
                    yield row
                    first = row[0] + 1
        except (apsw.Error, UnicodeDecodeError) as error:
            following = _next(db, table, columns, first)
            yield Gap(first, LAST if following is None else following - 1, str(error))
            if following is None:
                return
            first = following
            continue
        return


def _next(db: apsw.Connection, table: str, columns: str, after: int) -> int | None:
    """The first number after an unreadable row at which reading works again; None: there is none."""
    step = 1
    while after + step <= LAST and not _can_read(db, table, columns, after + step):
        step *= 2
    high = min(after + step, LAST)
    low = after + step // 2
    if not _can_read(db, table, columns, high):
        return None
    while high - low > 1:
        middle = (low + high) // 2
        if _can_read(db, table, columns, middle):
            high = middle
        else:
            low = middle
    # The next row may be far from that number; there is none at the end of the table.
    return high if rows(db, f"SELECT 1 FROM {table} WHERE id >= ? LIMIT 1", (high,)) else None


def _can_read(db: apsw.Connection, table: str, columns: str, at: int) -> bool:
    try:
        rows(db, f"SELECT {columns} FROM {table} WHERE id >= ? ORDER BY id LIMIT 1", (at,))
    except apsw.Error:
        return False
    return True


def as_written(row: Row) -> Row:
    """A message's row with the types that it was written with, and the usual value for each number that was lost.

    One wrong bit makes a text of octets, which are what they were. 0 and 1 are stored only as their type, of which it
    makes NULL or an empty text. Such a message is still served.
    """
    number, exchange, routing_key, raw, body, *numbers, checksum = row
    return (
        number,
        *map(_name, (exchange, routing_key)),
        *map(_octets, (raw, body)),
        *(common if value in (None, "", b"") else value for value, common in zip(numbers, COMMON, strict=True)),
        checksum,
    )


def _name(value: object) -> object:
    # Names that are not UTF-8 are written as octets.
    try:
        return value.decode() if isinstance(value, bytes) else value
    except UnicodeDecodeError:
        return value


def _octets(value: object) -> object:
    return value.encode() if isinstance(value, str) else value


def fault_of(row: Row, body: object) -> str:
    """The error in a message's row with its body, which may be a shared one; "": none."""
    number, exchange, routing_key, raw, _, *numbers, checksum = row
    expires, deliveries, returned, stored, shared, due, place, dead, framing, start, size = numbers
    try:
        if any(type(value) is not int for value in (number, *numbers)):
            raise TypeError("a number of its row is none")
        if type(body) is not bytes:
            raise TypeError(f"its body is {type(body).__name__}")
        content = crc32(body, crc32(raw, address_sum(exchange, routing_key)))
        content += number + added(
            expires=expires,
            deliveries=deliveries,
            returned=returned,
            stored=stored,
            shared=shared,
            due=due,
            place=place,
            dead=dead,
            framing=framing,
            start=start,
            size=size,
        )
        if checksum is not None and content % MODULUS != checksum:
            raise ValueError(WRONG)
        Properties.decode(raw)
        if framing:
            framing_of(framing)
            if not 0 <= start <= start + size <= len(body):
                raise ValueError("its framing has its body where it has none")
    except (AttributeError, BatonError, IndexError, TypeError, ValueError) as error:
        return str(error) or type(error).__name__
    return ""
