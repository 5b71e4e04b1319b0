"""Repairs the effects of a crash, before anything else is done with a store."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import apsw

from batonmq.points import reached
from batonmq.store.batch import MARK
from batonmq.store.checksums import trash_sum
from batonmq.store.maintenance import SLICE, delete_trash
from batonmq.store.records import POSITION_BITS, POSITION_MASK
from batonmq.store.schema import ADD_TRASH, note_opening, rows
from batonmq.store.write_ahead_log import CHECKPOINT_PAGES, CHECKPOINT_PAGES_MOST, WriteAheadLog

__all__ = ["Recovery"]

# Without INDEXED BY, SQLite would scan all messages.
NEXT_SPILLED = "SELECT id FROM message INDEXED BY message_spilled WHERE stored = 2 AND id >= ? ORDER BY id LIMIT 1"
DELETE_SPILLED = (
    "DELETE FROM message WHERE id IN"
    " (SELECT id FROM message INDEXED BY message_spilled WHERE stored = 2 AND id BETWEEN ? AND ? LIMIT ?)"
    # The index alone may be wrong.
    " AND stored = 2"
)
# The trash of existing queues.
TRASH_AMONG_OTHERS = "SELECT low, high FROM trash WHERE (low >> 45) IN (SELECT id FROM lane) ORDER BY low LIMIT 1"
# Bodies that no message uses any more.
DELETE_ORPHANS = (
    "DELETE FROM body WHERE id IN"
    " (SELECT id FROM body WHERE id NOT IN (SELECT shared FROM message WHERE shared > 0) LIMIT ?)"
)


class Recovery:
    """The recovery of one opening. Each step is a transaction; the disk may be full."""

    __slots__ = ("_db", "_log", "_slice")

    def __init__(self, db: apsw.Connection, log: WriteAheadLog) -> None:
        self._db = db
        self._log = log
        self._slice = SLICE

    def run(self, marks: Mapping[int, int], opening: int) -> None:
        """Repair the file; ``opening`` is the number of the new opening. Raises apsw.Error.

        Messages that a consumer held count as delivered once more: everything up to the lane's mark, in the store or in
        ``marks``, that is still there and was not given back. The lane records the last such row, as there may be no
        room to write those messages again. Trash and spilled messages are deleted: at once if they lie among others,
        and with later batches if a lane has nothing else.
        """
        db = self._db

        def note() -> bool:
            note_opening(db, opening)
            for lane_id, position in marks.items():
                # Rows beyond the last one were never written: their places are free.
                db.execute(MARK, (min(position, self._last_position(lane_id)), lane_id))
            db.execute("UPDATE lane SET returned = handed WHERE handed > returned")
            return False

        reached("recovery.begun")
        # First, before a copy of the log takes the remaining room.
        self._in_steps(note)
        reached("recovery.noted")
        # The later steps are repeated if a loss of power undoes them.
        db.execute("PRAGMA synchronous=NORMAL")
        among_others: list[int] = []
        self._in_steps(lambda: self._part_spilled(among_others))
        self._in_steps(self._delete_trash)
        self._in_steps(lambda: self._delete_spilled(among_others))
        self._in_steps(self._delete_orphans)
        db.execute("PRAGMA synchronous=FULL")
        self._log.checkpoint("TRUNCATE")
        reached("recovery.done")

    def _in_steps(self, step: Callable[[], bool]) -> None:
        """Do one step after another, each in a transaction, until one returns that nothing is left.

        The log stays short meanwhile, and the steps become smaller on a full disk.
        """
        most_pages = CHECKPOINT_PAGES_MOST
        is_done = is_log_empty = False
        while not is_done:
            try:
                with self._db:
                    goes_on = step()
                reached("recovery.step")
                is_done = not goes_on
                is_log_empty = False
            except apsw.FullError:
                if is_log_empty:
                    self._slice //= 4
                if not self._slice:
                    raise
                most_pages = CHECKPOINT_PAGES
                self._log.checkpoint()
                is_log_empty = True
            if self._log.pages >= most_pages:
                self._log.checkpoint()
        self._slice = SLICE

    def _last_position(self, lane_id: int) -> int:
        first = lane_id << POSITION_BITS
        last = rows(self._db, "SELECT max(id) FROM message WHERE id BETWEEN ? AND ?", (first, first | POSITION_MASK))
        return (last[0][0] or first) & POSITION_MASK

    def _part_spilled(self, among_others: list[int]) -> bool:
        """Find the lanes that have spilled messages among others; the spilled ones of deleted queues become trash."""
        there = {lane_id for (lane_id,) in rows(self._db, "SELECT id FROM lane")}
        among_others.clear()
        lane_id = 0
        while found := rows(self._db, NEXT_SPILLED, ((lane_id + 1) << POSITION_BITS,)):
            lane_id = found[0][0] >> POSITION_BITS
            first = lane_id << POSITION_BITS
            if lane_id in there:
                among_others.append(lane_id)
            else:
                last = first | POSITION_MASK
                self._db.execute(ADD_TRASH, (first, last, trash_sum(first, last)))
        return False

    def _delete_trash(self) -> bool:
        trash = rows(self._db, TRASH_AMONG_OTHERS)
        if trash:
            delete_trash(self._db, *trash[0], most=self._slice)
        return bool(trash)

    def _delete_spilled(self, lanes: list[int]) -> bool:
        if lanes:
            first = lanes[-1] << POSITION_BITS
            self._db.execute(DELETE_SPILLED, (first, first | POSITION_MASK, self._slice))
            # Only if nothing was left to delete: a step that finds the disk full is repeated.
            if not self._db.changes():
                lanes.pop()
        return bool(lanes)

    def _delete_orphans(self) -> bool:
        self._db.execute(DELETE_ORPHANS, (self._slice,))
        return self._db.changes() == self._slice
