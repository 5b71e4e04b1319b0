"""The store in an SQLite file: write-ahead log, synced at every commit.

One connection writes and reads, so that a read sees what was staged: on the loop between two commits, in the
committer's thread during one. A batch is one transaction. A second connection reads what is committed at any time, on
the loop, so that a long backlog is not read in the pauses between commits alone.
"""

from __future__ import annotations

import contextlib
import logging
import os
from typing import TYPE_CHECKING

import apsw

from batonmq.errors import StoreCorrupt, StoreError
from batonmq.store.batch import Batch
from batonmq.store.claim import Claim
from batonmq.store.collecting import Collecting
from batonmq.store.hands import Hands, marks_of
from batonmq.store.interface import (
    POSITION_BITS,
    POSITION_MASK,
    Snapshot,
    StoredMessage,
    StoredRun,
)
from batonmq.store.leftovers import has_log, set_aside
from batonmq.store.reading import (
    DELAYED,
    EXPIRED,
    IN_ORDER,
    check_numbers,
    read_definitions,
    read_lanes,
    read_returned,
    select_run,
)
from batonmq.store.reserve import LAST_SIZE, Reserve
from batonmq.store.schema import connect, connect_reader, is_marked_open, note_closing, read_opening, read_served, rows
from batonmq.store.sweeper import Sweeper

if TYPE_CHECKING:
    from collections.abc import Mapping

    from batonmq.message import QueuedMessage

log = logging.getLogger("batonmq.store")

PROBE = "UPDATE probe SET writes = writes + 1 WHERE id = 1"
# A batch of so many bytes, in messages of so many on average, is written in the committer's thread: 128 MiB take 0.2 s.
THREAD_BYTES = 1 << 20
THREAD_BODY = 64 << 10
# And one of so many messages, as large transactions bring: 70 ms, in which the loop would serve nobody.
THREAD_ROWS = 20_000
PAGE_SIZE = 8192
# So often some free pages are given back after a commit while the disk is full.
EASING_STEPS = 16


class SqliteStore(Collecting):
    """See the module. ``path`` is the file's; its companions ``-wal``, ``-shm`` and ``-hands`` lie beside it."""

    def __init__(self, path: str, *, serves: bool = True) -> None:
        """Not ``serves``: nothing is done in this opening until ``note_serving``."""
        super().__init__()
        self._serves = serves
        self.pages = True
        self.path = path
        self._db: apsw.Connection
        self._reader: apsw.Connection
        self._sweeper: Sweeper
        self._hands: Hands
        self._claim: Claim
        self._reserve: Reserve
        # Was the file, or its log, not there any more when that was looked at?
        self._is_lost = False
        # By lane, the last row that a crash has brought back: those up to it count once more than they say.
        self._returned: dict[int, int] = {}
        # Does the file say that it is open, and that its log belongs to it?
        self._is_marked = True
        # What stands in the open transaction, and why that has failed already.
        self._staged: Batch | None = None
        self._failure: apsw.Error | None = None
        # A batch that the commit has yet to write.
        self._unwritten: Batch | None = None
        # Does a commit wait for the disk?
        self._syncs = True
        self._why_short = ""

    # ------------------------------------------------------------------ opening and closing

    def open(self) -> Snapshot:
        self._reserve = Reserve(os.path.abspath(self.path))  # noqa: PTH100
        set_aside(self.path)
        try:
            return self._open()
        except StoreError as error:
            no_room = isinstance(error.__cause__, (apsw.FullError, apsw.IOError, apsw.CantOpenError))
            if not no_room or not self._reserve.remove():
                self._tell_what_is_needed(error)
                raise
        try:
            snapshot = self._open()
        except StoreError as error:
            self._tell_what_is_needed(error)
            raise
        if not self._reserve.make():
            self._reserve.make_last()
            self._run_short("the disk is full")
            self.error = self._shortage()
            log.error("%s; publishes of persistent messages are refused until it can", self.error)
        return snapshot

    def _tell_what_is_needed(self, error: StoreError) -> None:
        """Where there is no room, raise an error that says how much a start needs."""
        cause = error.__cause__
        if isinstance(cause, apsw.FullError) or (isinstance(cause, apsw.Error) and not self._reserve.has_room()):
            needed = LAST_SIZE >> 20
            raise StoreError(f"{error}; a start has to note something: make at least {needed} MiB of room") from error

    def _open(self) -> Snapshot:
        had_log = has_log(self.path)
        self._is_marked = True
        self._db = connect(self.path)
        try:
            self._claim = Claim(self.path)
        except BaseException:
            self._close_file()
            raise
        try:
            snapshot = self._take_up(had_log=had_log)
        except BaseException:
            self._close_file()
            self._claim.release()
            raise
        self._reserve.make()
        used = {lane.lane_id for lane in snapshot.lanes} | self._sweeper.dropped
        self._last_lane = max(used, default=0)
        self._free_lanes = [lane for lane in range(1, self._last_lane) if lane not in used]
        return snapshot

    def _take_up(self, *, had_log: bool) -> Snapshot:
        self._sweeper = Sweeper(self._db)
        try:
            # First, since what cannot be read must be left as it is.
            check_numbers(self._db)
            definitions = read_definitions(self._db)
            if not had_log and is_marked_open(self._db):
                log.error(
                    "%s was not closed in order, and its log (-wal) is gone: confirmed messages may be missing",
                    self.path,
                )
            self._hands = Hands(self._claim.path)
            self.opening = self._hands.number
            self.served = read_served(self._db)
            self._sweeper.recover(marks_of(self.path, read_opening(self._db)), self.opening)
            if self._serves:
                self.note_serving()
            self._hands.begin()
            self._returned = read_returned(self._db)
            snapshot = Snapshot(definitions, read_lanes(self._db))
            self._next_shared = int(self._db.execute("SELECT coalesce(max(id), 0) + 1 FROM body").get)
            self._reader = connect_reader(self.path)
            self._claim.watch()
        except apsw.CorruptError as error:
            raise StoreCorrupt(f"{self.path} is damaged: {error}") from error
        except apsw.Error as error:
            raise StoreError(f"cannot use {self.path}: {error}") from error
        except StoreCorrupt as error:
            raise StoreCorrupt(f"{self.path} is damaged: {error}") from error
        return snapshot

    def close(self, waiting: Mapping[int, tuple[int, int]] | None) -> None:
        try:
            is_kept = self._commit_rest()
            if waiting is not None and is_kept:
                # Without these the next opening counts.
                with contextlib.suppress(apsw.FullError), self._db:
                    self._db.executemany(
                        "UPDATE lane SET waiting = ?, waiting_bytes = ? WHERE id = ?",
                        [(count, size, lane_id) for lane_id, (count, size) in waiting.items()],
                    )
            if is_kept:
                with contextlib.suppress(apsw.Error):
                    note_closing(self._db)
                    self._is_marked = False
                self._hands.end()
                if not self.is_short:
                    self._reserve.remove()
        finally:
            self._hands.abandon()
            if self._claim.lost() is not None:
                self._leave_names()
            # The last to close is the one that clears the log away.
            self._reader.close()
            self._close_file()
            self._claim.release()

    def _close_file(self) -> None:
        """On a full disk the log cannot be copied, and stays; so it does where the file says that it has one."""
        with contextlib.suppress(apsw.FullError):
            if self._is_marked:
                self._db.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
            self._db.close()

    def _commit_rest(self) -> bool:
        """Commit all that was collected; tells whether that worked. A disk that is full is tried once more."""
        was_full = False
        while self._has_unwritten() and (self.error is None or self.is_short):
            self.stage()
            try:
                self.commit()
            except StoreError as error:
                self.finish(error)
                if was_full or not self.is_short:
                    return False
                was_full = True
            else:
                self.finish(None)
        return self.error is None or self.is_short

    def forked(self) -> None:
        self._claim.release()

    def look(self) -> bool:
        self._is_lost = self._claim.lost() is not None
        return self._is_lost

    def _leave_names(self) -> None:
        """What has the names of the files now is somebody else's: closing is not to delete it.

        Where only the log has lost its name, what it holds is copied into the file, so that it is found again.
        """
        with contextlib.suppress(apsw.Error):
            self._db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
            self._db.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)

    # ------------------------------------------------------------------ beside the batches

    def note_handed(self, lane_id: int, position: int) -> bool:
        return self._hands.note(lane_id, position)

    def drop_lane(self, lane_id: int) -> None:
        super().drop_lane(lane_id)
        self._returned.pop(lane_id, None)

    def allocate_lane(self) -> int:
        is_used_again = bool(self._free_lanes)
        lane_id = super().allocate_lane()
        if is_used_again:
            self._hands.note(lane_id, 0)
        return lane_id

    # ------------------------------------------------------------------ reading

    def read_seen(self, lane_id: int) -> list[tuple[int, bytes, int]]:
        first = lane_id << POSITION_BITS
        try:
            found = rows(
                self._db,
                "SELECT id, key, at FROM seen WHERE id BETWEEN ? AND ? ORDER BY id",
                (first, first | POSITION_MASK),
            )
        except apsw.Error as error:
            raise self._unreadable(error) from error
        sound = [(number, key, at) for number, key, at in found if type(key) is bytes and type(at) is int]
        if len(sound) < len(found):
            log.error("%s: %d keys of lane %d cannot be read", self.path, len(found) - len(sound), lane_id)
        return sound

    def read_done(self) -> list[tuple[int, int, int]]:
        try:
            return rows(self._db, "SELECT guest, number, outcome FROM done ORDER BY guest, number")
        except apsw.Error as error:
            raise self._unreadable(error) from error

    def read(self, after_row: int, last_row: int, most: int, most_bytes: int) -> list[StoredMessage]:
        return self.read_run(after_row, last_row, most, most_bytes, committed=False).whole()

    def read_run(self, after_row: int, last_row: int, most: int, most_bytes: int, *, committed: bool) -> StoredRun:
        lane_id = last_row >> POSITION_BITS
        values = (after_row, last_row, most)
        if not committed:
            return self._select(IN_ORDER, lane_id, values, most_bytes)
        try:
            return select_run(self._reader, IN_ORDER, values, most_bytes, self._returned.get(lane_id, 0))
        except apsw.Error as error:
            raise self._unreadable(error) from error

    def read_delayed(self, lane_id: int, after: tuple[int, int], most: int, most_bytes: int) -> list[StoredMessage]:
        due, row = after
        return self._select(DELAYED, lane_id, (lane_id, due, due, row, most), most_bytes).whole()

    def expired(self, after_row: int, last_row: int, now: int, most: int) -> list[StoredMessage]:
        lane_id = last_row >> POSITION_BITS
        return self._select(EXPIRED, lane_id, (lane_id, now, after_row, most), 4 << 20).whole()

    def next_expiry(self, after_row: int, last_row: int) -> int:
        # Texts, as a damaged file may have, are greater than any number.
        sql = (
            "SELECT expires FROM message WHERE id >> 45 = ? AND expires > 0 AND expires < 1 << 62 AND id > ?"
            " ORDER BY expires LIMIT 1"
        )
        if self._collected:
            self._write_out()
        return self._db.execute(sql, (last_row >> POSITION_BITS, after_row)).get or 0

    def _select(self, where: str, lane_id: int, values: tuple[int, ...], most_bytes: int) -> StoredRun:
        if self._collected:
            self._write_out()
        if self._failure is not None:
            raise self._unwritable(self._failure) from self._failure
        try:
            return select_run(self._db, where, values, most_bytes, self._returned.get(lane_id, 0))
        except apsw.Error as error:
            raise self._unreadable(error) from error

    def _unreadable(self, error: apsw.Error) -> StoreError:
        return StoreError(f"cannot read {self.path}: {error}", f"the store cannot read: {error}")

    def _unwritable(self, error: apsw.Error) -> StoreError:
        return StoreError(f"cannot write {self.path}: {error}", f"the store cannot write: {error}")

    # ------------------------------------------------------------------ writing

    def has_work(self) -> bool:
        return bool(self._inserts or self._deletes or self.error is not None or self._is_lost or self._has_unwritten())

    def _has_unwritten(self) -> bool:
        return bool(
            self._inserts or self._deletes or self._collected or self._staged is not None or self._sweeper.has_work
        )

    def shrink(self) -> None:
        self._sweeper.wants_space = self._sweeper.has_work = True

    def stage(self) -> None:
        size, count = self.pending_bytes, len(self._inserts)
        is_large = size > THREAD_BYTES and size > THREAD_BODY * count
        self._write_out(in_thread=is_large or count > THREAD_ROWS)
        self.busy = True

    def _write_out(self, *, in_thread: bool = False) -> None:
        """Into the open transaction, which a read may have begun before the batch was complete.

        ``in_thread`` leaves the writing to ``commit``: worth it for few large bodies, and for very many of any size,
        which would hold up the loop; and not for what there mostly is, which would fight with it for the interpreter.
        """
        batch = self._collected
        self._collect_into(Batch())
        self.pending_bytes = 0
        self.batch += 1
        if self._staged is None:
            self._staged = batch
        else:
            self._staged.absorb(batch)
        # After a failure only a sync tells whether the disk takes writes again.
        syncs = batch.needs_sync or self.must_sync or self.error is not None
        self.must_sync = False
        try:
            if syncs and not self._syncs and self._db.in_transaction and self._failure is None:
                # Whether a commit syncs cannot be changed within its transaction: all of it is written once more.
                self._db.execute("ROLLBACK")
                batch = self._staged
            self._begin(syncs=syncs)
            if in_thread:
                self._unwritten = batch
            else:
                batch.write(self._db)
        except apsw.Error as error:
            self._failure = error
        except Exception as error:
            # A fault of ours. The batch is refused, as by a disk: others must not wait for it for ever.
            log.exception("a batch could not be written in an unexpected way")
            self._failure = apsw.Error(f"internal error: {error}")

    def _begin(self, *, syncs: bool) -> None:
        """Begin a transaction, if none is open, whose commit syncs the disk or leaves that to the next one."""
        if self._db.in_transaction:
            return
        if syncs != self._syncs:
            self._db.execute(f"PRAGMA synchronous={'FULL' if syncs else 'NORMAL'}")
            self._syncs = syncs
        self._db.execute("BEGIN IMMEDIATE")

    def commit(self) -> None:
        db = self._db
        lost: str | None = None
        try:
            if self._failure is not None:
                raise self._failure
            if self.is_short and self._staged is not None and self._staged.lost():
                # There is room for settlements, which free some, and not for more.
                self.is_short = not self._reserve.make()
                if self.is_short:
                    raise apsw.FullError(self._why_short)
            if self._sweeper.is_log_doubtful:
                self._begin_on_new_log()
            elif self._unwritten is not None:
                self._unwritten.write(db)
            if self.error is not None:
                # Nothing but a real write tells whether the disk takes writes again.
                db.execute(PROBE)
            self._sweeper.sweep_some(is_idle=not self._staged)
            # Nothing is confirmed that nobody will find again.
            lost = self._claim.lost()
            if lost is not None:
                raise apsw.CantOpenError(f"{lost} was deleted or replaced while it was open")
            db.execute("COMMIT")
        except apsw.Error as error:
            if db.in_transaction:
                db.execute("ROLLBACK")
            if lost is not None:
                self._leave_names()
            if isinstance(error, apsw.FullError):
                self._run_short(str(error))
            if isinstance(error, apsw.IOError):
                self._sweeper.is_log_doubtful = True
            raise self._unwritable(error) from error
        if self.is_short:
            self._ease()
        elif pages := self._sweeper.checkpoint_if_due():
            self._reserve.grow(pages * PAGE_SIZE)

    def has_room_again(self) -> bool:
        if self.is_short and not self.busy:
            self.is_short = not self._reserve.make()
        return not self.is_short

    def _run_short(self, why: str) -> None:
        """The disk is full: give up what was reserved, and have the log written from its start again if that works."""
        self.is_short = True
        self._why_short = why
        self._sweeper.run_short()
        self._reserve.give_up()
        self._sweeper.checkpoint()

    def _ease(self) -> None:
        """Something was settled: give back what is free now, bit by bit, until the reserve can be made again."""
        self._sweeper.checkpoint()
        for _ in range(EASING_STEPS):
            if self._reserve.make():
                self.is_short = False
                return
            if not self._sweeper.give_back():
                break
        self._sweeper.checkpoint("TRUNCATE")
        self.is_short = not self._reserve.make()

    def _shortage(self) -> StoreError | None:
        return self._unwritable(apsw.FullError(self._why_short)) if self.is_short else None

    def _begin_on_new_log(self) -> None:
        """Write the batch once more, on a log that stands on nothing that a failing disk has dropped."""
        assert self._staged is not None
        self._db.execute("ROLLBACK")
        self._sweeper.renew_log()
        self._begin(syncs=True)
        self._staged.write(self._db)

    def finish(self, error: StoreError | None) -> list[QueuedMessage]:
        staged = self._staged
        assert staged is not None
        self._staged = None
        self._failure = None
        self._unwritten = None
        self.busy = False
        self.error = error or self._shortage()
        if error is None:
            self.committed = self.batch - 1
            self.is_sparse = self._sweeper.is_sparse
            if staged.statements:
                self._sweeper.has_work = True
                self._sweeper.drop_later(staged.dropped_lanes)
            self._free_lanes.extend(self._sweeper.freed())
            return []
        rest = staged.without_inserts()
        # What was settled while it was being written need not be written any more.
        for row in self._deletes:
            rest.inserts.pop(row, None)
        rest.absorb(self._collected)
        rest.deletes = [row for row in rest.deletes if row not in staged.inserts]
        self._collect_into(rest)
        return staged.lost()
