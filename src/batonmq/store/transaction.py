"""The open transaction: its contents, the part still to be written, and whether its commit waits for the disk."""

from __future__ import annotations

import logging

import apsw

from batonmq.store.batch import Batch
from batonmq.store.write_ahead_log import WriteAheadLog

__all__ = ["Transaction"]

log = logging.getLogger("batonmq.store")


class Transaction:
    """The transactions of a connection, one after another: written on the loop, committed in a thread."""

    __slots__ = ("_cursor", "_db", "_execute", "_failure", "_runs", "_syncs", "_unwritten", "staged")

    def __init__(self, db: apsw.Connection) -> None:
        self._db = db
        # A cursor of its own for each statement would cost as much again as a brief one.
        self._cursor = db.cursor()
        self._execute = self._cursor.execute
        self.staged: Batch | None = None
        """The batch that was, or will be, written into it; None: it is not open."""
        # The error, if it has failed before its commit.
        self._failure: apsw.Error | None = None
        # A batch that the commit has yet to write, or of which it has yet to delete these runs of rows.
        self._unwritten: Batch | None = None
        self._runs: list[tuple[int, int]] = []
        self._syncs = True

    @property
    def holds_messages(self) -> bool:
        """Would its failure lose messages?"""
        return self.staged is not None and bool(self.staged.lost())

    @property
    def is_empty(self) -> bool:
        """Does it hold no changes by the broker?"""
        return not self.staged

    @property
    def may_free(self) -> bool:
        """Does it delete or change anything, so that pages of the file may be free after it?"""
        return self.staged is not None and self.staged.may_free

    @property
    def is_steady(self) -> bool:
        """Is it as many follow each other while messages come and go: a few rows are added, others deleted?"""
        return self.staged is not None and bool(self.staged.inserts) and self.staged.is_brief

    @property
    def syncs(self) -> bool:
        """Does its commit wait for the disk, or did the last one? Then everything committed before is on the disk."""
        return self._syncs

    @property
    def may_write_nothing(self) -> bool:
        """Could its commit, which has to wait for the disk, find nothing to write, and so leave the disk alone?"""
        staged = self.staged
        return self._syncs and staged is not None and not (staged.inserts or staged.delayed)

    def check(self) -> None:
        """Raises apsw.Error when it has failed already."""
        if self._failure is not None:
            raise self._failure

    def write(self, batch: Batch, *, syncs: bool, is_last: bool, in_thread: bool) -> None:
        """Add a batch; a failure shows in ``check``. ``syncs``: its commit has to wait for the disk.

        ``in_thread`` leaves the writing to ``write_rest``. This pays for a few large bodies, and for very many of any
        size, which would block the loop; for usual batches it does not, as thread and loop would compete for the
        interpreter. ``is_last``: nothing is read before the commit, so deletes in long runs are left to it; for each
        run SQLite does without the interpreter.
        """
        if self.staged is None:
            self.staged = batch
        else:
            self.staged.absorb(batch)
        try:
            if syncs and not self._syncs and self._db.in_transaction and self._failure is None:
                # Whether a commit syncs cannot be changed within its transaction, so everything is written again.
                self._execute("ROLLBACK")
                batch = self.staged
            self._begin(syncs=syncs)
            if in_thread:
                self._unwritten = batch
            else:
                self._runs = batch.write(self._cursor, leaves_runs=is_last)
                self._unwritten = batch if self._runs else None
        except apsw.Error as error:
            self._failure = error
        except Exception as error:
            # A fault of ours. The batch fails like a disk error, so that nobody waits for it for ever.
            log.exception("a batch could not be written in an unexpected way")
            self._failure = apsw.Error(f"internal error: {error}")

    def _begin(self, *, syncs: bool) -> None:
        """Begin a transaction, if none is open, whose commit syncs the disk or leaves that to a later one."""
        if self._db.in_transaction:
            return
        if syncs != self._syncs:
            self._execute(f"PRAGMA synchronous={'FULL' if syncs else 'NORMAL'}")
            self._syncs = syncs
        self._execute("BEGIN IMMEDIATE")

    def write_rest(self) -> None:
        """Write the part that was left for the commit. Raises apsw.Error."""
        if self._unwritten is None:
            return
        if self._runs:
            self._unwritten.write_deletes(self._cursor, self._runs)
        else:
            self._unwritten.write(self._cursor)

    def begin_anew(self, wal: WriteAheadLog) -> None:
        """Write everything again, on a new log that does not depend on writes that a failing disk has dropped."""
        assert self.staged is not None
        self._execute("ROLLBACK")
        wal.renew()
        self._begin(syncs=True)
        self.staged.write(self._cursor)

    def commit(self) -> None:
        """Raises apsw.Error."""
        self._execute("COMMIT")

    def roll_back(self) -> None:
        """Roll everything back, if there is a transaction."""
        if self._db.in_transaction:
            self._execute("ROLLBACK")

    def end(self) -> Batch:
        """Note its commit or rollback; returns its batch."""
        staged, self.staged = self.staged, None
        assert staged is not None
        self._failure = self._unwritten = None
        self._runs = []
        return staged
