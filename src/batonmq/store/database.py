"""Opens and closes a store's file, with everything that belongs to it: locks, log, journal, reserve."""

from __future__ import annotations

import contextlib
import logging
import os
from typing import TYPE_CHECKING

import apsw

from batonmq.errors import StoreCorrupt, StoreError
from batonmq.points import reached
from batonmq.store.checksums import count_sum
from batonmq.store.claim import Claim
from batonmq.store.delivery_journal import DeliveryJournal, marks_of
from batonmq.store.failures import DAMAGE, damaged
from batonmq.store.files import system
from batonmq.store.leftovers import has_log, set_aside
from batonmq.store.log_breaks import log_break
from batonmq.store.maintenance import Maintenance
from batonmq.store.queries import Queries
from batonmq.store.records import Snapshot
from batonmq.store.recovery import Recovery
from batonmq.store.reserve import LAST_SIZE, Reserve
from batonmq.store.schema import connect, is_marked_open, note_closing, read_opening, read_served
from batonmq.store.shortage import Shortage
from batonmq.store.starting import check_numbers, read_definitions, read_lanes
from batonmq.store.transaction import Transaction
from batonmq.store.write_ahead_log import WriteAheadLog

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Database"]

log = logging.getLogger("batonmq.store")


class Database:
    """The parts of one open file. There are none before ``open``."""

    __slots__ = (
        "_is_marked",
        "_kept",
        "_path",
        "claim",
        "db",
        "journal",
        "log",
        "maintenance",
        "next_shared",
        "queries",
        "reserve",
        "served",
        "shortage",
        "transaction",
    )

    db: apsw.Connection
    """The connection that writes; it also sees uncommitted changes."""
    log: WriteAheadLog
    maintenance: Maintenance
    transaction: Transaction
    queries: Queries
    journal: DeliveryJournal
    claim: Claim
    reserve: Reserve
    shortage: Shortage
    served: int
    """The number of the last opening that served queues; 0: there was none."""
    next_shared: int
    """The first free number for a shared body."""

    def __init__(self, path: str) -> None:
        self._path = path
        # Is the file marked as open, with a log that belongs to it?
        self._is_marked = True
        # What may be closed only after SQLite has closed the file.
        self._kept = contextlib.ExitStack()

    # ------------------------------------------------------------------ opening

    def open(self) -> Snapshot:
        """Open or create the file, and repair the effects of a crash. Raises StoreError, StoreCorrupt."""
        self.reserve = Reserve(os.path.abspath(self._path))  # noqa: PTH100
        set_aside(self._path)
        try:
            return self._open()
        except StoreError as error:
            no_room = isinstance(error.__cause__, (apsw.FullError, apsw.IOError, apsw.CantOpenError))
            if not no_room or not self.reserve.remove():
                self._tell_what_is_needed(error)
                raise
        try:
            snapshot = self._open()
        except StoreError as error:
            self._tell_what_is_needed(error)
            raise
        if not self.reserve.make():
            self.reserve.make_last()
            self.shortage.begin("the disk is full")
        return snapshot

    def _tell_what_is_needed(self, error: StoreError) -> None:
        """If the disk is full, raise an error that says how much room a start needs."""
        cause = error.__cause__
        if isinstance(cause, apsw.FullError) or (isinstance(cause, apsw.Error) and not self.reserve.has_room()):
            needed = LAST_SIZE >> 20
            raise StoreError(f"{error}; a start has to note something: make at least {needed} MiB of room") from error

    def _open(self) -> Snapshot:
        had_log = has_log(self._path)
        self._is_marked = True
        self.db = connect(self._path)
        self.log = WriteAheadLog(self.db)
        try:
            self.claim = Claim(self._path)
        except BaseException:
            self.close_file()
            raise
        try:
            snapshot = self._take_up(had_log=had_log)
        except BaseException:
            self.close_file()
            self.claim.release()
            raise
        self.reserve.make()
        return snapshot

    def _take_up(self, *, had_log: bool) -> Snapshot:
        db, path = self.db, self._path
        self.maintenance = Maintenance(db)
        self.transaction = Transaction(db)
        self.shortage = Shortage(self.reserve, self.log, self.maintenance)
        try:
            # First, since an unreadable file must not be changed.
            check_numbers(db)
            definitions = read_definitions(db)
            if not had_log and is_marked_open(db):
                log.error(
                    "%s was not closed in order, and its log (-wal) is gone: confirmed messages may be missing", path
                )
            elif had_log and (broken := log_break(path, self._kept)):
                level = logging.WARNING if broken.may_be_unfinished else logging.ERROR
                rightly = "" if broken.was_synced else "; after a power cut that is what nobody had confirmed"
                log.log(level, "%s: %s%s", path, broken, rightly)
            self.journal = DeliveryJournal(self.claim.path)
            self.served = read_served(db)
            Recovery(db, self.log).run(marks_of(path, read_opening(db)), self.journal.number)
            self.maintenance.begin()
            self.journal.begin()
            self.queries = Queries(db, path)
            snapshot = Snapshot(definitions, read_lanes(db))
            self.next_shared = int(db.execute("SELECT coalesce(max(id), 0) + 1 FROM body").get)
            self.claim.watch()
        except DAMAGE as error:
            raise damaged(path, error) from error
        except (StoreCorrupt, TypeError, ValueError) as error:
            # A value that is not a number where one was written.
            raise damaged(path, error) from error
        except apsw.Error as error:
            raise StoreError(f"cannot use {path}: {error}") from error
        return snapshot

    # ------------------------------------------------------------------ closing

    def note_end(self, waiting: Mapping[int, tuple[int, int]] | None) -> None:
        """Note that everything is committed: the next opening need not repair anything.

        ``waiting``: the number of messages and bytes of each lane; the next opening counts those that are missing.
        """
        if waiting is not None:
            with contextlib.suppress(apsw.FullError), self.db:
                self.db.executemany(
                    "UPDATE lane SET waiting = ?, waiting_bytes = ?, counted = ? WHERE id = ?",
                    [(*counts, count_sum(lane_id, *counts), lane_id) for lane_id, counts in waiting.items()],
                )
        with contextlib.suppress(apsw.Error):
            reached("close.committed")
            # On a full disk the log cannot be copied, and stays.
            self.db.execute("PRAGMA synchronous=FULL")
            note_closing(self.db)
            self._is_marked = False
            reached("close.noted")
        self.journal.end()
        if not self.shortage.is_on:
            self.reserve.remove()

    def close(self) -> None:
        """Close the file, and release everything that belongs to it."""
        self.journal.abandon()
        if self.claim.lost() is not None:
            self.leave_names()
        # The last connection to close removes the log.
        self.queries.close()
        self.close_file()
        reached("close.done")
        self.claim.release()

    def close_file(self) -> None:
        """Close the connection. The log stays if the disk is full, or if the file is marked as having one."""
        with contextlib.suppress(apsw.FullError):
            if self._is_marked:
                self.db.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
            self.log.close()
            self.db.close()
        self._kept.close()

    def room(self) -> tuple[int, int]:
        """The size of the log's file, and the free space on the disk, in octets; 0: unknown."""
        log_size = free = 0
        with contextlib.suppress(OSError):
            log_size = os.stat(f"{self._path}-wal").st_size  # noqa: PTH116
        with contextlib.suppress(AttributeError, OSError):
            free, _ = system().room(os.path.dirname(os.path.abspath(self._path)))  # noqa: PTH100, PTH120
        return log_size, free

    def leave_names(self) -> None:
        """Keep closing from deleting the files that have the names now, which belong to others.

        If only the log has lost its name, its contents are first copied into the file.
        """
        with contextlib.suppress(apsw.Error):
            self.db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
            self.db.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
