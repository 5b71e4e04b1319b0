"""Queries: messages in several orders, deduplication keys, outcomes."""

from __future__ import annotations

import logging
from typing import Any

import apsw

from batonmq.store.failures import unreadable
from batonmq.store.packed import BODY_MAX, unpack
from batonmq.store.reading import IN_ORDER, check_order, select_run
from batonmq.store.reading_ahead import ReadingAhead
from batonmq.store.records import LANES_MAX, POSITION_BITS, POSITION_MASK, StoredRun
from batonmq.store.schema import connect_reader, rows
from batonmq.store.starting import read_returned

__all__ = ["Queries"]

log = logging.getLogger("batonmq.store")


# Skips from each lane's first key to that of the next lane. One query per queue takes 30 ms for ten thousand queues,
# this one almost nothing.
LANES_WITH_KEYS = (
    "WITH RECURSIVE found(lane) AS (SELECT min(id) >> 45 FROM seen UNION ALL"
    " SELECT (SELECT min(id) >> 45 FROM seen WHERE id >= (found.lane + 1) << 45) FROM found"
    f" WHERE lane < {LANES_MAX})"
    " SELECT lane FROM found WHERE lane IS NOT NULL"
)


class Queries:
    """Reads through two connections: the store's own, which sees uncommitted changes, and one that sees committed ones.

    The second can read at any time, so that a long backlog is not only read in the pauses between commits.
    """

    __slots__ = ("_ahead", "_committed", "_db", "_path", "_returned", "_with_keys")

    def __init__(self, db: apsw.Connection, path: str) -> None:
        """Raises apsw.Error."""
        self._db = db
        self._path = path
        # By lane, the last row that a crash has brought back: rows up to it count one return more than they record.
        self._returned = read_returned(db)
        # The lanes that have keys for de-duplication; None: not read yet.
        self._with_keys: set[int] | None = None
        self._committed = connect_reader(path)
        self._ahead = ReadingAhead(path)

    def close(self) -> None:
        """Close the second connection, and end the thread that reads ahead."""
        self._ahead.close()
        self._committed.close()

    def drop_lane(self, lane_id: int) -> None:
        """Forget a lane, whose number may be used for another queue."""
        self._returned.pop(lane_id, None)
        self._ahead.forget(lane_id)

    def read_ahead(
        self, lane_id: int, after_row: int, last_row: int, most: int, found: StoredRun, committed: int
    ) -> None:
        """Read in a thread what ``found_ahead`` will return; ``committed``: the last committed batch."""
        if after_row >= self._returned.get(lane_id, 0) and found.messages[-1].weight <= BODY_MAX:
            self._ahead.ask(lane_id, after_row, last_row, most, found, committed)

    def found_ahead(self, lane_id: int, after_row: int, changed_in: int) -> StoredRun | None:
        """The messages read ahead after a row, if nothing has changed them since; None: read them now."""
        packed = self._ahead.take(lane_id, after_row, changed_in)
        return unpack(packed, after_row) if packed is not None else None

    def messages(self, where: str, lane_id: int, values: tuple[int, ...], most_bytes: int) -> StoredRun:
        """The messages of a lane that ``where`` finds, including uncommitted ones. Raises StoreError."""
        return self._select(self._db, where, lane_id, values, most_bytes)

    def committed_messages(self, where: str, lane_id: int, values: tuple[int, ...], most_bytes: int) -> StoredRun:
        """The messages of a lane that ``where`` finds, committed ones only. Raises StoreError."""
        return self._select(self._committed, where, lane_id, values, most_bytes)

    def _select(
        self, db: apsw.Connection, where: str, lane_id: int, values: tuple[int, ...], most_bytes: int
    ) -> StoredRun:
        try:
            run = select_run(db, where, values, most_bytes, self._returned.get(lane_id, 0))
            if where is IN_ORDER:
                check_order(run, values[0], values[1])
            return run
        except apsw.Error as error:
            raise unreadable(self._path, error) from error

    def next_expiry(self, lane_id: int, after_row: int) -> int:
        """When the next message of a lane expires, in ms of the epoch; 0: none does."""
        # Texts, as a damaged file may have, are greater than any number.
        sql = (
            "SELECT expires FROM message WHERE id >> 45 = ? AND expires > 0 AND expires < 1 << 62 AND id > ?"
            " ORDER BY expires LIMIT 1"
        )
        return self._db.execute(sql, (lane_id, after_row)).get or 0

    def keys(self, lane_id: int) -> list[tuple[int, bytes, int]]:
        """The keys for de-duplication of a lane: number, key, time. Only for the start. Raises StoreError."""
        if self._with_keys is None:
            self._with_keys = {found for (found,) in self._rows(LANES_WITH_KEYS)}
        if lane_id not in self._with_keys:
            return []
        first = lane_id << POSITION_BITS
        found = self._rows(
            "SELECT id, key, at FROM seen WHERE id BETWEEN ? AND ? ORDER BY id", (first, first | POSITION_MASK)
        )
        sound = [(number, key, at) for number, key, at in found if type(key) is bytes and type(at) is int]
        if len(sound) < len(found):
            log.error("%s: %d keys of lane %d cannot be read", self._path, len(found) - len(sound), lane_id)
        return sound

    def pages(self) -> tuple[int, int]:
        """The number of pages of the file, and of free ones, by the committed state. Raises StoreError."""
        try:
            found = [int(rows(self._committed, f"PRAGMA {name}")[0][0]) for name in ("page_count", "freelist_count")]
        except apsw.Error as error:
            raise unreadable(self._path, error) from error
        return found[0], found[1]

    def outcomes(self) -> list[tuple[int, int, int]]:
        """The outcomes of other processes' commands: process, number, outcome. Raises StoreError."""
        return self._rows("SELECT guest, number, outcome FROM done ORDER BY guest, number")

    def _rows(self, sql: str, values: tuple[int, ...] = ()) -> list[tuple[Any, ...]]:
        try:
            return rows(self._db, sql, values)
        except apsw.Error as error:
            raise unreadable(self._path, error) from error
