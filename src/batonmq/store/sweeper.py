"""What the store does beside the batches: recovery, deleting much in small steps, checkpoints, giving back space.

A queue of two million messages that is purged would hold up every confirm for seconds if it were deleted in one
transaction. So the batch only notes the range of rows as trash, which makes the purge durable, and the committer's
thread deletes a slice of it with each batch that follows.
"""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Callable, Mapping

import apsw

from batonmq.store.batch import DELETE_ORPHAN, MARK
from batonmq.store.interface import POSITION_BITS, POSITION_MASK
from batonmq.store.schema import note_opening, rows

log = logging.getLogger("batonmq.store")

# Rows that one batch deletes beside its own work: about 5 ms.
SLICE = 5_000
# The same while the disk is full.
SHORT_SLICE = 250
# The write-ahead log is copied into the file when it holds so many pages (1 MiB), and written from its start again. It
# is never cut: to overwrite it needs no change of the file's size, which a sync would have to write too. That takes 200
# us instead of 120 (ext4) while the log grows; a longer one, up to 32 MiB, saves checkpoints (3 % of the CPU time). So
# it becomes longer by and by, or at once, to 4 MiB and on, where batches are so large that a sync is the least of what
# they cost: a shorter one took 10 % of the rate of persistent messages of 1 KiB.
CHECKPOINT_PAGES = 128
CHECKPOINT_PAGES_LARGE = 512
CHECKPOINT_PAGES_MOST = 4_096
CHECKPOINTS_OF_A_LENGTH = 8
LARGE_BATCH_PAGES = 4
# Free pages that are kept for the next burst; what goes beyond is given back to the file system, some at a time.
FREE_PAGES_KEPT = 8_192
VACUUM_PAGES = 2_048
# The same while the disk is full, where the log may not become long.
SHORT_VACUUM_PAGES = 128

# SQLite would rather walk along all messages.
NEXT_SPILLED = "SELECT id FROM message INDEXED BY message_spilled WHERE stored = 2 AND id >= ? ORDER BY id LIMIT 1"
DELETE_SPILLED = (
    "DELETE FROM message WHERE id IN"
    " (SELECT id FROM message INDEXED BY message_spilled WHERE stored = 2 AND id BETWEEN ? AND ? LIMIT ?)"
)
# Of queues that are there.
TRASH_AMONG_OTHERS = "SELECT low, high FROM trash WHERE (low >> 45) IN (SELECT id FROM lane) ORDER BY low LIMIT 1"
# Bodies that no message has any more.
DELETE_ORPHANS = (
    "DELETE FROM body WHERE id IN"
    " (SELECT id FROM body WHERE id NOT IN (SELECT shared FROM message WHERE shared > 0) LIMIT ?)"
)


class Sweeper:
    """Runs in the committer's thread on the store's connection; only ``recover``, ``drop_later``, ``freed`` do not."""

    def __init__(self, db: apsw.Connection) -> None:
        self._db = db
        self._slice = SLICE
        self._log_pages = 0
        self._log_commits = 0
        self._checkpoint_pages = CHECKPOINT_PAGES
        self._checkpoints = 0
        db.set_wal_hook(self._committed)
        # Is there trash left?
        self.has_work = False
        # Is most of the file free, and has the next batch been asked to do something about it?
        self.is_sparse = False
        self.wants_space = False
        self._has_shrunk = False
        self._dropped: set[int] = set()
        # Has the disk failed, so that what stands in the log may never reach it?
        self.is_log_doubtful = False

    def recover(self, marks: Mapping[int, int], opening: int) -> None:
        """Mend what a crash left behind; ``opening`` is the number of what begins now.

        What was handed to a consumer and not settled counts as delivered once more: everything up to the lane's mark,
        in the store or in ``marks``, that is still there and was not given back. The lane notes up to where that is, as
        there may be no room to write those messages once more. Trash and spilled messages go: at once where they lie
        among others, and with the batches that follow where they are all that a lane has.
        """
        db = self._db

        def note() -> bool:
            note_opening(db, opening)
            for lane_id, position in marks.items():
                # What is beyond the last row was never written: its place is free.
                db.execute(MARK, (min(position, self._last_position(lane_id)), lane_id))
            db.execute("UPDATE lane SET returned = handed WHERE handed > returned")
            return False

        # First, as long as a copy of the log has not taken what room there is.
        self._in_steps(note)
        # What follows is done again when it is lost with the power.
        db.execute("PRAGMA synchronous=NORMAL")
        among_others: list[int] = []
        self._in_steps(lambda: self._part_spilled(among_others))
        self._in_steps(self._sweep_trash)
        self._in_steps(lambda: self._sweep_spilled(among_others))
        self._in_steps(self._sweep_orphans)
        self._dropped.update(lane_id for (lane_id,) in rows(db, "SELECT DISTINCT low >> 45 FROM trash"))
        self.has_work = bool(self._dropped)
        db.execute("PRAGMA synchronous=FULL")
        self.checkpoint("TRUNCATE")

    def _in_steps(self, step: Callable[[], bool]) -> None:
        """Do a step after the other, each in a transaction, until one tells that nothing is left.

        The log stays short meanwhile, and the steps become as small as a disk that is full wants them.
        """
        most_pages = CHECKPOINT_PAGES_MOST
        is_done = is_log_empty = False
        while not is_done:
            try:
                with self._db:
                    goes_on = step()
                is_done = not goes_on
                is_log_empty = False
            except apsw.FullError:
                if is_log_empty:
                    self._slice //= 4
                if not self._slice:
                    raise
                most_pages = CHECKPOINT_PAGES
                self.checkpoint()
                is_log_empty = True
            if self._log_pages >= most_pages:
                self.checkpoint()
        self._slice = SLICE

    def run_short(self) -> None:
        """The disk is full: from now on in small steps."""
        self._slice = SHORT_SLICE

    def _part_spilled(self, among_others: list[int]) -> bool:
        """Tell the lanes that have spilled messages among others; those of queues that are gone are trash."""
        there = {lane_id for (lane_id,) in rows(self._db, "SELECT id FROM lane")}
        among_others.clear()
        lane_id = 0
        while found := rows(self._db, NEXT_SPILLED, ((lane_id + 1) << POSITION_BITS,)):
            lane_id = found[0][0] >> POSITION_BITS
            first = lane_id << POSITION_BITS
            if lane_id in there:
                among_others.append(lane_id)
            else:
                self._db.execute("INSERT OR REPLACE INTO trash VALUES(?,?)", (first, first | POSITION_MASK))
        return False

    def _sweep_trash(self) -> bool:
        trash = rows(self._db, TRASH_AMONG_OTHERS)
        if trash:
            self._sweep_range(*trash[0])
        return bool(trash)

    def _sweep_spilled(self, lanes: list[int]) -> bool:
        if lanes:
            first = lanes[-1] << POSITION_BITS
            self._db.execute(DELETE_SPILLED, (first, first | POSITION_MASK, self._slice))
            # Only when nothing was left to delete: a step that finds the disk full is done once more.
            if not self._db.changes():
                lanes.pop()
        return bool(lanes)

    def _sweep_orphans(self) -> bool:
        self._db.execute(DELETE_ORPHANS, (self._slice,))
        return self._db.changes() == self._slice

    def _last_position(self, lane_id: int) -> int:
        first = lane_id << POSITION_BITS
        last = rows(self._db, "SELECT max(id) FROM message WHERE id BETWEEN ? AND ?", (first, first | POSITION_MASK))
        return (last[0][0] or first) & POSITION_MASK

    def _committed(self, _db: apsw.Connection, _name: str, pages: int) -> int:
        """SQLite tells how long its log is."""
        self._log_pages = pages
        self._log_commits += 1
        return 0

    def sweep_some(self, *, is_idle: bool) -> None:
        """Delete a slice of the trash, inside the batch's transaction; give back space if that was asked for."""
        if not self.has_work:
            self.is_sparse = self._is_mostly_free()
            return
        db = self._db
        trash = rows(db, "SELECT low, high FROM trash ORDER BY low LIMIT 1")
        if not trash:
            self.has_work = False
            if self.wants_space and is_idle:
                db.execute(f"PRAGMA incremental_vacuum({VACUUM_PAGES})").fetchall()
                self._has_shrunk = True
            self.wants_space = False
            self.is_sparse = self._is_mostly_free()
            return
        self._sweep_range(*trash[0])

    def _sweep_range(self, low: int, high: int) -> None:
        """Delete a slice of a range of trash."""
        db = self._db
        if _is_whole_lane(low) and self._sweep_seen(low, high):
            return
        slice_ = rows(
            db, "SELECT id, shared FROM message WHERE id BETWEEN ? AND ? ORDER BY id LIMIT ?", (low, high, self._slice)
        )
        db.execute("DELETE FROM trash WHERE low = ?", (low,))
        if not slice_:
            return
        last = slice_[-1][0]
        db.execute("DELETE FROM message WHERE id BETWEEN ? AND ?", (low, last))
        db.executemany(DELETE_ORPHAN, [(shared,) for shared in {shared for _, shared in slice_ if shared}])
        if len(slice_) == self._slice and last < high:
            db.execute("INSERT OR REPLACE INTO trash VALUES(?,?)", (last + 1, high))

    def _sweep_seen(self, low: int, high: int) -> bool:
        """Delete a slice of the keys of a lane that is gone; tell whether there were any."""
        slice_ = rows(
            self._db, "SELECT id FROM seen WHERE id BETWEEN ? AND ? ORDER BY id LIMIT ?", (low, high, self._slice)
        )
        if slice_:
            self._db.execute("DELETE FROM seen WHERE id BETWEEN ? AND ?", (low, slice_[-1][0]))
        return bool(slice_)

    @property
    def dropped(self) -> frozenset[int]:
        """Lanes whose numbers are not to be used again yet."""
        return frozenset(self._dropped)

    def drop_later(self, lanes: list[int]) -> None:
        """The lanes' numbers may be used again when their trash is gone."""
        self._dropped.update(lanes)

    def freed(self) -> list[int]:
        """Lanes that were dropped and are empty by now."""
        if self.has_work or not self._dropped:
            return []
        freed = list(self._dropped)
        self._dropped.clear()
        return freed

    def checkpoint(self, how: str = "PASSIVE") -> None:
        """Copy the log into the file. On a full disk it is as good where it is, and half a copy only takes room."""
        with contextlib.suppress(apsw.Error):
            if self._missing_room() <= 0:
                self._db.execute(f"PRAGMA wal_checkpoint({how})").fetchall()

    def _missing_room(self) -> int:
        """How much more room the file needs before it can take what stands in its log; 0 or less: none."""
        try:
            found = os.statvfs(self._db.filename)
            size = os.stat(self._db.filename).st_size  # noqa: PTH116
        except (AttributeError, OSError):
            return 0
        pages = int(rows(self._db, "PRAGMA page_count")[0][0]) * int(rows(self._db, "PRAGMA page_size")[0][0])
        return pages - size - int(found.f_bavail) * int(found.f_frsize)

    def give_back(self) -> bool:
        """Give some free pages back to a disk that is full; False: there are none, or it has no room even for that."""
        db = self._db
        if not int(rows(db, "PRAGMA freelist_count")[0][0]):
            return False
        try:
            db.execute(f"PRAGMA incremental_vacuum({SHORT_VACUUM_PAGES})").fetchall()
        except apsw.Error:
            return False
        self.checkpoint()
        return True

    def checkpoint_if_due(self) -> int:
        """Copy the log into the file, if it is long enough to be worth it; tells how many pages it may have next."""
        # The file itself is cut when the log is copied.
        are_large = self._log_pages >= LARGE_BATCH_PAGES * self._log_commits
        due = max(self._checkpoint_pages, CHECKPOINT_PAGES_LARGE) if are_large else self._checkpoint_pages
        if self._log_pages < due and (self.is_sparse or not self._has_shrunk):
            return 0
        self._has_shrunk = False
        self._checkpoints += 1
        if self._checkpoints >= CHECKPOINTS_OF_A_LENGTH or are_large:
            self._checkpoint_pages = min(2 * due, CHECKPOINT_PAGES_MOST)
            self._checkpoints = 0
        self._log_commits = 0
        try:
            self._db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        except apsw.Error as error:
            # The batch is as safe as its commit has made it; the next one tries again.
            self.is_log_doubtful = self.is_log_doubtful or isinstance(error, apsw.IOError)
            log.warning("the store's log could not be copied into its file: %s", error)
        return self._checkpoint_pages

    def renew_log(self) -> None:
        """Copy the whole log into the file, and have the next commit begin it anew. Raises apsw.Error.

        What a failed sync should have written, no later sync writes: the kernel takes it for written. SQLite reads its
        log after a power cut up to the first gap, so what is confirmed from now on must not stand behind one.
        """
        is_busy = rows(self._db, "PRAGMA wal_checkpoint(RESTART)")[0][0]
        if is_busy:
            raise apsw.BusyError("its log cannot be renewed after an error of the disk: another program reads it")
        self.is_log_doubtful = False

    def _is_mostly_free(self) -> bool:
        """Is there so much free space that giving it back pays? It moves the pages in use, so they should be few."""
        free = int(rows(self._db, "PRAGMA freelist_count")[0][0])
        return free > FREE_PAGES_KEPT and free * 4 > 3 * int(rows(self._db, "PRAGMA page_count")[0][0])


def _is_whole_lane(low: int) -> bool:
    """Does a range of trash begin where a lane does? Purges begin after the first row, which no message has."""
    return low & POSITION_MASK == 0
