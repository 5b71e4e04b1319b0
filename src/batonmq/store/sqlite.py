"""The store in an SQLite file: write-ahead log, synced at every commit.

One connection writes and reads, so that a read sees staged changes: on the loop between two commits, in the committer's
thread during one. A batch is one transaction.
"""

from __future__ import annotations

import logging
from time import perf_counter
from typing import TYPE_CHECKING

import apsw

from batonmq.errors import StoreError
from batonmq.points import reached
from batonmq.purity import mypyc_attr
from batonmq.store.batch import Batch
from batonmq.store.claim import Claim
from batonmq.store.collecting import Collecting
from batonmq.store.database import Database
from batonmq.store.delivery_journal import DeliveryJournal
from batonmq.store.failures import unwritable
from batonmq.store.maintenance import Maintenance
from batonmq.store.queries import Queries
from batonmq.store.reading import DELAYED, EXPIRED, IN_ORDER
from batonmq.store.records import POSITION_BITS, Snapshot, StoredMessage, StoredRun
from batonmq.store.shortage import Shortage
from batonmq.store.status import CommitTimes, StoreStatus
from batonmq.store.transaction import Transaction
from batonmq.store.write_ahead_log import WriteAheadLog

if TYPE_CHECKING:
    from collections.abc import Mapping

    from batonmq.queued import QueuedMessage

log = logging.getLogger("batonmq.store")

PROBE = "UPDATE probe SET writes = writes + 1 WHERE id = 1"
# A batch of this many bytes, in messages of this many on average, is written in the committer's thread: 128 MiB take
# 0.2 s.
THREAD_BYTES = 1 << 20
THREAD_BODY = 64 << 10
# So is a batch of this many messages, as from large transactions: it takes 70 ms, which would block the loop.
THREAD_ROWS = 20_000
# Fewer bytes of messages than this are a few pages.
BRIEF_BYTES = 32 << 10
PAGE_SIZE = 8192


@mypyc_attr(allow_interpreted_subclasses=True)
class SqliteStore(Collecting):
    """Keeps everything in one file, which one process at a time may use."""

    def __init__(self, path: str, *, serves: bool = True) -> None:
        """``path`` is the file's; ``open`` creates it, with companions beside it that have its name and a suffix.

        Without ``serves`` this opening serves no queues until ``note_serving``.
        """
        super().__init__()
        self._serves = serves
        self.pages = True
        self.path = path
        self._file = Database(path)
        # Its parts, once it is open.
        self._db: apsw.Connection
        self._log: WriteAheadLog
        self._maintenance: Maintenance
        self._transaction: Transaction
        self._queries: Queries
        self._journal: DeliveryJournal
        self._claim: Claim
        self._shortage: Shortage
        # Was the file, or its log, missing at the last check?
        self._is_lost = False
        self._commit_times = CommitTimes()

    # ------------------------------------------------------------------ opening and closing

    def open(self) -> Snapshot:
        file = self._file
        snapshot = file.open()
        self._db = file.db
        self._log, self._maintenance = file.log, file.maintenance
        self._transaction, self._queries = file.transaction, file.queries
        self._journal, self._claim, self._shortage = file.journal, file.claim, file.shortage
        self.opening, self.served = file.journal.number, file.served
        self._next_shared = file.next_shared
        used = {lane.lane_id for lane in snapshot.lanes} | self._maintenance.dropped
        self._last_lane = max(used, default=0)
        self._free_lanes = [lane for lane in range(1, self._last_lane) if lane not in used]
        if self._serves:
            self.note_serving()
        if self._shortage.is_on:
            self.error = unwritable(self.path, self._shortage.error())
            log.error("%s; publishes of persistent messages are refused until it can", self.error)
        return snapshot

    def close(self, waiting: Mapping[int, tuple[int, int]] | None) -> None:
        try:
            is_done, is_counted = self._commit_rest()
            if is_done:
                self._file.note_end(waiting if is_counted else None)
        finally:
            self._file.close()

    def _commit_rest(self) -> tuple[bool, bool]:
        """Commit all collected changes; returns whether that succeeded, and whether all messages are stored.

        After an error for a full disk it tries once more.
        """
        was_full = False
        is_counted = True
        while self._has_unwritten() and (self.error is None or self._shortage.is_on):
            self.stage()
            try:
                self.commit()
            except StoreError as error:
                is_counted = not self.finish(error) and is_counted
                if was_full or not self._shortage.is_on:
                    return False, is_counted
                was_full = True
            else:
                self.finish(None)
        return self.error is None or self._shortage.is_on, is_counted

    def forked(self) -> None:
        self._claim.release()

    def look(self) -> bool:
        self._is_lost = self._claim.lost() is not None
        return self._is_lost

    # ------------------------------------------------------------------ beside the batches

    def note_handed(self, lane_id: int, position: int) -> bool:
        return self._journal.note(lane_id, position)

    def drop_lane(self, lane_id: int) -> None:
        super().drop_lane(lane_id)
        self._queries.drop_lane(lane_id)

    def allocate_lane(self) -> int:
        is_used_again = bool(self._free_lanes)
        lane_id = super().allocate_lane()
        if is_used_again:
            self._journal.note(lane_id, 0)
        return lane_id

    # ------------------------------------------------------------------ reading

    def read_dedup_keys(self, lane_id: int) -> list[tuple[int, bytes, int]]:
        return self._queries.keys(lane_id)

    def read_done(self) -> list[tuple[int, int, int]]:
        return self._queries.outcomes()

    def read(self, after_row: int, last_row: int, most: int, most_bytes: int) -> list[StoredMessage]:
        return self.read_run(after_row, last_row, most, most_bytes, committed=False).whole()

    def read_run(self, after_row: int, last_row: int, most: int, most_bytes: int, *, committed: bool) -> StoredRun:
        lane_id = last_row >> POSITION_BITS
        values = (after_row, last_row, most)
        if committed:
            found = self._queries.committed_messages(IN_ORDER, lane_id, values, most_bytes)
        else:
            found = self._messages(IN_ORDER, lane_id, values, most_bytes)
        reached("page.read")
        return found

    def read_ahead(self, after_row: int, last_row: int, most: int, found: StoredRun) -> None:
        self._queries.read_ahead(last_row >> POSITION_BITS, after_row, last_row, most, found, self.committed)

    def found_ahead(self, after_row: int, last_row: int, changed_in: int) -> StoredRun | None:
        found = self._queries.found_ahead(last_row >> POSITION_BITS, after_row, changed_in)
        if found is not None:
            reached("page.read")
        return found

    def read_delayed(self, lane_id: int, after: tuple[int, int], most: int, most_bytes: int) -> StoredRun:
        due, row = after
        return self._messages(DELAYED, lane_id, (lane_id, due, due, row, most), most_bytes)

    def expired(self, after_row: int, last_row: int, now: int, most: int) -> list[StoredMessage]:
        lane_id = last_row >> POSITION_BITS
        return self._messages(EXPIRED, lane_id, (lane_id, now, after_row, most), 4 << 20).whole()

    def next_expiry(self, after_row: int, last_row: int) -> int:
        if self._has_collected():
            self._write_out()
        return self._queries.next_expiry(last_row >> POSITION_BITS, after_row)

    def _messages(self, where: str, lane_id: int, values: tuple[int, ...], most_bytes: int) -> StoredRun:
        if self._has_collected():
            self._write_out()
        try:
            self._transaction.check()
        except apsw.Error as error:
            raise unwritable(self.path, error) from error
        return self._queries.messages(where, lane_id, values, most_bytes)

    def status(self) -> StoreStatus:
        pages, free_pages = self._queries.pages()
        log_size, disk_free = self._file.room()
        page_size = PAGE_SIZE
        return StoreStatus(
            path=self.path,
            size=pages * page_size,
            free=free_pages * page_size,
            page_size=page_size,
            log_size=log_size,
            log_used=self._log.pages * page_size,
            checkpoint_size=self._log.checkpoint_pages * page_size,
            checkpoints=self._log.copied,
            checkpoints_failed=self._log.failed,
            disk_free=disk_free,
            is_full=self._shortage.is_on,
            commits=self._commit_times.status(),
            batch=self.batch,
            committed=self.committed,
            is_committing=self.busy,
            pending=self.pending_bytes,
            fault=self.error.reason if self.error is not None else "",
        )

    # ------------------------------------------------------------------ writing

    def has_work(self) -> bool:
        return bool(
            self._inserts
            or self._deletes
            or self.error is not None
            or self._is_lost
            or (self.must_sync and self.is_unsynced)
            or self._has_unwritten()
        )

    def _has_unwritten(self) -> bool:
        return bool(
            self._inserts
            or self._deletes
            or self._has_collected()
            or self._transaction.staged is not None
            or self._maintenance.has_work
        )

    def _has_collected(self) -> bool:
        return bool(self._parts) or bool(self._collected)

    def may_wait(self) -> bool:
        return (
            self.error is None
            and self._transaction.staged is None
            # Whatever else there is to do must not wait for as long as consumers are fast.
            and not (self._is_lost or self._maintenance.has_work or (self.must_sync and self.is_unsynced))
            and super().may_wait()
        )

    def take_settled(self) -> int:
        # What a read has written out is of earlier batches, and on the disk only with the next commit.
        return super().take_settled() if self._transaction.staged is None else 0

    def shrink(self) -> None:
        self._maintenance.vacuum_soon()

    def is_brief(self) -> bool:
        return (
            self.pending_bytes <= BRIEF_BYTES
            and self._collected.is_brief
            and self.error is None
            and self._transaction.staged is None
            and not (self._maintenance.has_work or self._maintenance.wants_checkpoint)
            and not (self._shortage.is_on or self._log.is_nearly_due)
        )

    def stage(self) -> None:
        self._join_parts()
        size, count = self.pending_bytes, len(self._inserts)
        is_large = size > THREAD_BYTES and size > THREAD_BODY * count
        self.staged = self.batch
        self._write_out(is_last=True, in_thread=is_large or count > THREAD_ROWS)
        self.busy = True

    def _write_out(self, *, is_last: bool = False, in_thread: bool = False) -> None:
        """Write the batch into the open transaction, which a read may have begun before the batch was complete."""
        reached("stage.begun")
        self._join_parts()
        self._parts_since = 0.0
        batch = self._collected
        self._collect_into(Batch())
        self.pending_bytes = 0
        self.batch += 1
        # After a failure only a sync shows whether the disk accepts writes again.
        syncs = batch.needs_sync or self.must_sync or self.error is not None
        self.must_sync = False
        self._transaction.write(batch, syncs=syncs, is_last=is_last, in_thread=in_thread)
        reached("stage.done")

    def commit(self) -> None:
        begin = perf_counter()
        try:
            self._commit()
        except StoreError:
            self._commit_times.note_failed()
            raise
        self._commit_times.note(perf_counter() - begin)

    def _commit(self) -> None:
        reached("commit.begun")
        transaction = self._transaction
        lost: str | None = None
        try:
            transaction.check()
            if self._shortage.is_on and transaction.holds_messages and self._shortage.look():
                # There is only room for settlements, which free some.
                raise self._shortage.error()
            if self._log.is_doubtful:
                transaction.begin_anew(self._log)
            else:
                transaction.write_rest()
            if self.error is not None or (self.is_unsynced and transaction.may_write_nothing):
                # Only a real write shows whether the disk accepts writes again, and has earlier ones synced.
                self._db.execute(PROBE)
            self._maintenance.work(transaction)
            # A commit to a deleted or replaced file must not be confirmed.
            lost = self._claim.lost()
            if lost is not None:
                raise apsw.CantOpenError(f"{lost} was deleted or replaced while it was open")
            reached("commit.ready")
            begin = perf_counter()
            transaction.commit()
            self.commit_seconds = perf_counter() - begin
        except apsw.Error as error:
            transaction.roll_back()
            if lost is not None:
                self._file.leave_names()
            if isinstance(error, apsw.FullError):
                self._shortage.begin(str(error))
            if isinstance(error, apsw.IOError):
                self._log.doubt()
            reached("commit.failed")
            raise unwritable(self.path, error) from error
        reached("commit.done")
        if self._shortage.is_on:
            self._shortage.ease()
        elif pages := self._log.checkpoint_if_due(is_wanted=self._maintenance.wants_checkpoint):
            self._maintenance.checkpointed()
            self._file.reserve.grow(pages * PAGE_SIZE)

    def has_room_again(self) -> bool:
        return not (self._shortage.is_on if self.busy else self._shortage.look())

    def finish(self, error: StoreError | None) -> list[QueuedMessage]:
        staged = self._transaction.end()
        self.busy = False
        if error is None and self._shortage.is_on:
            self.error = unwritable(self.path, self._shortage.error())
        else:
            self.error = error
        if error is None:
            self.committed = self.staged
            self.is_unsynced = not self._transaction.syncs
            if not self.is_unsynced:
                self._journal.note_log(*self._log.end())
            self.is_sparse = self._maintenance.is_sparse
            if staged.statements:
                self._maintenance.drop(staged.dropped_lanes)
            self._free_lanes.extend(self._maintenance.freed())
            return []
        self._collect_into(staged.again_before(self._collected))
        return staged.lost()
