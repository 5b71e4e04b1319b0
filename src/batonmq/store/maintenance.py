"""Deletes bit by bit: purged ranges, the rows of deleted queues, and free pages of the file.

A queue of two million messages that is purged would hold up every confirm for seconds if it were deleted in one
transaction. So the batch only notes the range of rows as trash, which makes the purge durable, and the committer's
thread deletes a slice of it with each batch that follows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import apsw

from batonmq.points import reached
from batonmq.store.batch import DELETE_ORPHAN
from batonmq.store.checksums import trash_sum
from batonmq.store.records import POSITION_MASK
from batonmq.store.schema import ADD_TRASH, rows

if TYPE_CHECKING:
    from batonmq.store.transaction import Transaction

__all__ = ["SLICE", "Maintenance", "delete_trash"]

# The rows that one batch deletes besides its own work: about 5 ms.
SLICE = 5_000
# The rows that one batch deletes while the disk is full.
SHORT_SLICE = 250
# The free pages kept for the next burst; further ones are given back to the file system, some at a time.
FREE_PAGES_KEPT = 8_192
VACUUM_PAGES = 2_048
# The pages given back at a time while the disk is full, when the log must stay short.
SHORT_VACUUM_PAGES = 128
# While a few messages come as others go, the file is looked at after this many commits.
LOOK_COMMITS = 16


class Maintenance:
    """Works in the committer's thread on the store's connection, except for the methods that are for the loop."""

    __slots__ = ("_db", "_dropped", "_has_vacuumed", "_look_in", "_slice", "_wants_vacuum", "has_work", "is_sparse")

    def __init__(self, db: apsw.Connection) -> None:
        self._db = db
        self._slice = SLICE
        self._wants_vacuum = False
        self._has_vacuumed = False
        # How many more commits may pass before the file is looked at.
        self._look_in = 0
        self._dropped: set[int] = set()
        self.has_work = False
        """May there be trash left, or was a vacuum requested?"""
        self.is_sparse = False
        """Is most of the file free?"""

    def begin(self) -> None:
        """Find the work that an earlier opening left."""
        self._dropped.update(lane_id for (lane_id,) in rows(self._db, "SELECT DISTINCT low >> 45 FROM trash"))
        self.has_work = bool(self._dropped)

    # ------------------------------------------------------------------ on the loop

    @property
    def dropped(self) -> frozenset[int]:
        """Lanes whose numbers must not be used again yet."""
        return frozenset(self._dropped)

    def drop(self, lanes: list[int]) -> None:
        """Note that there may be trash, and that these lanes' numbers are free once it is deleted."""
        self.has_work = True
        self._dropped.update(lanes)

    def freed(self) -> list[int]:
        """Dropped lanes that are empty by now."""
        if self.has_work or not self._dropped:
            return []
        freed = list(self._dropped)
        self._dropped.clear()
        return freed

    def vacuum_soon(self) -> None:
        """Give some free pages back with the next batch, if that has nothing else to do."""
        self._wants_vacuum = self.has_work = True

    # ------------------------------------------------------------------ in the committer's thread

    def work(self, transaction: Transaction) -> None:
        """Delete a slice of the trash, inside the batch's transaction.

        Without trash, and in a transaction with no changes by the broker, vacuum if that was requested.
        """
        if not self.has_work:
            # The check takes 10,000 instructions, a twentieth of a small commit; a batch that only adds frees nothing.
            # What goes last has nothing that comes with it, and is looked at.
            if not self._look_in or (transaction.may_free and not transaction.is_steady):
                self._look_in = LOOK_COMMITS
                self.is_sparse = self._is_mostly_free()
            elif transaction.may_free:
                self._look_in -= 1
            return
        db = self._db
        trash = rows(db, "SELECT low, high FROM trash ORDER BY low LIMIT 1")
        if not trash:
            self.has_work = False
            if self._wants_vacuum and transaction.is_empty:
                # The pages for the next burst stay, so the file is as large after each burst as after the last.
                spare = self._free_pages() - FREE_PAGES_KEPT
                if spare > 0:
                    db.execute(f"PRAGMA incremental_vacuum({min(spare, VACUUM_PAGES)})").fetchall()
                self._has_vacuumed = True
                reached("vacuum.done")
            self._wants_vacuum = False
            self.is_sparse = self._is_mostly_free()
            return
        delete_trash(db, *trash[0], most=self._slice)
        reached("trash.deleted")

    @property
    def wants_checkpoint(self) -> bool:
        """Is the vacuum finished? The file itself is truncated when the log is copied."""
        return self._has_vacuumed and not self.is_sparse

    def checkpointed(self) -> None:
        """Note that the log was copied."""
        self._has_vacuumed = False

    def run_short(self) -> None:
        """The disk is full: work in small steps from now on."""
        self._slice = SHORT_SLICE

    def vacuum_short(self) -> bool:
        """Give some free pages back to a full disk; False: there are none, or there is no room even for that."""
        db = self._db
        if not self._free_pages():
            return False
        try:
            db.execute(f"PRAGMA incremental_vacuum({SHORT_VACUUM_PAGES})").fetchall()
        except apsw.Error:
            return False
        return True

    def _free_pages(self) -> int:
        return int(rows(self._db, "PRAGMA freelist_count")[0][0])

    def _is_mostly_free(self) -> bool:
        """Is there so much free space that giving it back pays? This moves the used pages, so they should be few."""
        free = self._free_pages()
        return free > FREE_PAGES_KEPT and free * 4 > 3 * int(rows(self._db, "PRAGMA page_count")[0][0])


def delete_trash(db: apsw.Connection, low: int, high: int, *, most: int) -> None:
    """Delete the first rows of a range of trash, or keys if any are left, and shorten the range."""
    if _is_whole_lane(low) and _delete_keys(db, low, high, most):
        return
    slice_ = rows(db, "SELECT id, shared FROM message WHERE id BETWEEN ? AND ? ORDER BY id LIMIT ?", (low, high, most))
    db.execute("DELETE FROM trash WHERE low = ?", (low,))
    if not slice_:
        return
    last = slice_[-1][0]
    db.execute("DELETE FROM message WHERE id BETWEEN ? AND ?", (low, last))
    db.executemany(DELETE_ORPHAN, [(shared,) for shared in {shared for _, shared in slice_ if shared}])
    if len(slice_) == most and last < high:
        db.execute(ADD_TRASH, (last + 1, high, trash_sum(last + 1, high)))


def _delete_keys(db: apsw.Connection, low: int, high: int, most: int) -> bool:
    """Delete a slice of the keys of a deleted lane; returns whether there were any."""
    slice_ = rows(db, "SELECT id FROM seen WHERE id BETWEEN ? AND ? ORDER BY id LIMIT ?", (low, high, most))
    if slice_:
        db.execute("DELETE FROM seen WHERE id BETWEEN ? AND ?", (low, slice_[-1][0]))
    return bool(slice_)


def _is_whole_lane(low: int) -> bool:
    """Is a range of trash a whole lane? Purges begin after a lane's first row, which no message has."""
    return low & POSITION_MASK == 0
