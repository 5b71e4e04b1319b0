"""A run of similar messages, packed by SQLite into a few values in one step.

Row by row, a message of 16 bytes takes 8,800 instructions, and SQLite's binding needs the interpreter's lock for each.
Packed, SQLite takes 3,900 per body, without that lock, and unpacking takes 1,300 each: a thread can read ahead while
the loop dispatches.

Everything is checked. A run must have every row number from its first one on; and the sum over all checksums, each
multiplied by its place, must match that of the unpacked messages. Otherwise the rows are read one by one.
"""

from __future__ import annotations

from typing import Any, Final
from zlib import crc32

import apsw

from batonmq.errors import BatonError
from batonmq.message import Message
from batonmq.properties import Properties
from batonmq.purity import i64
from batonmq.store.checksums import MODULUS, address_sum
from batonmq.store.records import StoredRun
from batonmq.store.texts import to_file

__all__ = ["BODY_MAX", "Packed", "pack", "unpack"]

# A thousand bodies of this size are the most that is read at once. With larger ones most of the time is copying.
BODY_MAX: Final = 4096

# NOT INDEXED: in the order of the row numbers.
_FROM: Final = (
    " FROM message NOT INDEXED WHERE id > ?1 AND id <= ?2 AND exchange = ?3 AND routing_key = ?4"
    " AND typeof(body) = 'blob' AND checksum IS NOT NULL"
    " AND NOT (expires | deliveries | returned | (stored <> 1) | shared | due | place | dead | framing)"
)
_SUM: Final = "sum(checksum * (id - ?1))"
_BODIES: Final = "CAST(group_concat(body, '') AS BLOB)"
# Messages with the same properties and bodies of the same length; and messages that differ in these.
ALIKE: Final = f"SELECT count(*), max(id), {_SUM}, {_BODIES}{_FROM} AND length(body) = ?5 AND properties = ?6"
VARIED: Final = (
    f"SELECT count(*), max(id), {_SUM}, {_BODIES}, group_concat(length(body)),"
    f" CAST(group_concat(properties, '') AS BLOB), group_concat(length(properties))"
    f"{_FROM} AND length(body) <= ?5 AND typeof(properties) = 'blob'"
)


class Packed:
    """Messages to one address, with consecutive row numbers."""

    __slots__ = ("bodies", "checksum", "count", "lengths", "like", "property_lengths", "raws")

    def __init__(self, like: Message, count: int, checksum: int, bodies: bytes) -> None:
        self.like = like
        self.count = count
        self.checksum = checksum
        self.bodies = bodies
        # Empty if all are like those of ``like``.
        self.lengths: list[int] = []
        self.raws = b""
        self.property_lengths: list[int] = []


def pack(db: apsw.Connection, after_row: int, last_row: int, like: Message) -> Packed | None:
    """The messages after ``after_row``, up to ``last_row`` at most, that are similar to ``like``, one of their lane.

    None: the rows have to be read one by one. Raises apsw.Error.
    """
    address = to_file(like.exchange), to_file(like.routing_key)
    found = _row(db, ALIKE, (after_row, last_row, *address, like.weight, like.properties.raw))
    packed = None
    if (count := _count(found, after_row)) > 0:
        packed = Packed(like, count, int(found[2]), found[3] or b"")
    if count * 2 >= last_row - after_row:
        return packed
    found = _row(db, VARIED, (after_row, last_row, *address, BODY_MAX))
    varied = _count(found, after_row)
    if varied <= max(count, 0):
        return packed
    packed = Packed(like, varied, int(found[2]), found[3] or b"")
    packed.lengths = list(map(int, found[4].split(",")))
    packed.raws = found[5] or b""
    packed.property_lengths = list(map(int, found[6].split(",")))
    return packed


def _row(db: apsw.Connection, sql: str, values: tuple[int | str | bytes, ...]) -> tuple[Any, ...]:
    return tuple(db.execute(sql, values).fetchall()[0])


def _count(found: tuple[Any, ...], after_row: int) -> int:
    """The number of messages; -1 if there are none, row numbers are missing, or a checksum is not a number."""
    count, last_row, checksum = found[:3]
    return count if count and last_row - after_row == count and type(checksum) is int else -1


def unpack(packed: Packed, after_row: int) -> StoredRun | None:
    """Unpack the messages; None: the checksum or the contents are wrong, and reading row by row finds which."""
    like = packed.like
    exchange = like.exchange
    routing_key = like.routing_key
    properties = like.properties
    bodies = packed.bodies
    lengths = packed.lengths
    address = address_sum(to_file(exchange), to_file(routing_key))
    # Kept as an object, since it is passed with each body.
    before_body: Any = crc32(properties.raw, address)
    raws = packed.raws
    property_lengths = packed.property_lengths
    size: i64 = like.weight
    sum_of: Any = crc32
    run = StoredRun()
    messages: list[Message] = run.messages
    total: i64 = 0
    at: i64 = 0
    raw_at: i64 = 0
    is_varied = len(lengths) > 0
    if is_varied and not (len(lengths) == len(property_lengths) == packed.count):
        return None
    raw = properties.raw
    row: i64 = after_row
    place: i64 = 0
    while place < packed.count:
        row += 1
        if is_varied:
            size = lengths[place]
            raw_end: i64 = raw_at + property_lengths[place]
            new_raw = raws[raw_at:raw_end]
            raw_at = raw_end
            if new_raw != raw:
                try:
                    properties = Properties.decode(new_raw)
                except (BatonError, IndexError, ValueError):
                    return None
                raw = new_raw
                before_body = sum_of(raw, address)
        body = bodies[at : at + size]
        at += size
        place += 1
        checksum: i64 = sum_of(body, before_body)
        total += (checksum + row) % MODULUS * place
        messages.append(Message(exchange, routing_key, properties, body))
    if total != packed.checksum or at != len(bodies) or raw_at != len(raws):
        return None
    run.rows.extend(range(after_row + 1, row + 1))
    return run
