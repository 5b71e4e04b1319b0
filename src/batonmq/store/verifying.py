"""Checks rows of messages against their checksums, without making messages of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final
from zlib import crc32

import apsw

from batonmq.store.checksums import ADDED, MODULUS, address_sum
from batonmq.store.reading import IN_ORDER, check_order, select_run

__all__ = ["LookedThrough", "look_through"]

# What is 0 in most rows adds nothing to their checksum.
SELECT: Final = (
    "SELECT id, CAST(exchange AS BLOB), CAST(routing_key AS BLOB), properties,"
    " CASE WHEN shared > 0 THEN (SELECT body FROM body WHERE body.id = message.shared) ELSE message.body END,"
    " CASE WHEN expires | deliveries | (stored <> 1) | shared | due | place | dead | returned | framing"
    f" THEN checksum - ({ADDED}) ELSE checksum END FROM message {IN_ORDER}"
)


@dataclass(slots=True)
class LookedThrough:
    """Some rows of a lane."""

    whole: int = 0
    """How many hold what was written."""
    last: int = 0
    """The last of them, whole or not; 0: there was none."""
    unreadable: dict[int, str] = field(default_factory=dict)
    """The others, and what is wrong with each."""


def look_through(db: apsw.Connection, after: int, last: int, most: int, most_bytes: int) -> LookedThrough:
    """Up to that many rows between two, in their order. Raises apsw.Error; apsw.CorruptError where there is no order.

    A row whose checksum is right is as it was written, and so is a message: nothing is made of it, which takes 1.2 us
    where a message takes 2.9. The others, and those of old files without a checksum, are read as a start reads them.
    ``most_bytes``: of their bodies, that are in memory at a time.
    """
    found = LookedThrough()
    doubtful: list[int] = []
    whole, at, before = 0, after, 0
    exchange = routing_key = raw = None
    for row, new_exchange, new_key, new_raw, body, checksum in db.execute(SELECT, (after, last, most)):
        if not at < row <= last:
            raise apsw.CorruptError("rows of the table 'message' are out of order")
        at = row
        try:
            if new_raw != raw or new_key != routing_key or new_exchange != exchange:
                raw = None
                before = crc32(new_raw, address_sum(new_exchange, new_key))
                exchange, routing_key, raw = new_exchange, new_key, new_raw
            if (crc32(body, before) + row - checksum) % MODULUS:
                doubtful.append(row)
            else:
                whole += 1
        except (AttributeError, TypeError):
            # A type that nothing was written with, or no checksum.
            doubtful.append(row)
    found.whole = whole
    found.last = at if at > after else 0
    if doubtful:
        _read(db, doubtful, most, most_bytes, found)
    return found


def _read(db: apsw.Connection, doubtful: list[int], most: int, most_bytes: int, found: LookedThrough) -> None:
    """Read these as messages."""
    wanted = frozenset(doubtful)
    after, last = doubtful[0] - 1, doubtful[-1]
    while after < last:
        run = select_run(db, IN_ORDER, (after, last, most), most_bytes, 0)
        check_order(run, after, last)
        found.whole += sum(row in wanted for row in run.rows)
        found.unreadable.update((row, what) for row, what in run.unreadable.items() if row in wanted)
        read = max(run.rows[-1] if run.rows else 0, max(run.unreadable, default=0))
        if read <= after:
            return
        after = read
