"""SQLite's write-ahead log: when it is copied into the file, and whether its contents can be trusted."""

from __future__ import annotations

import contextlib
import logging
import os
import struct

import apsw

from batonmq.points import reached
from batonmq.store.files import system
from batonmq.store.log_breaks import SALT, SALT_2_AT
from batonmq.store.schema import rows

__all__ = ["CHECKPOINT_PAGES", "CHECKPOINT_PAGES_MOST", "WriteAheadLog"]

log = logging.getLogger("batonmq.store")

# The write-ahead log is copied into the file once it holds this many pages (1 MiB), and written from its start again.
# It is never truncated. A sync also has to write a change of the file's size, and takes 200 us instead of 120 (ext4)
# while the log grows. A longer log, up to 32 MiB, saves checkpoints (3 % of the CPU time). So the log grows by and by,
# or at once to 4 MiB and beyond if batches are so large that a sync is the least part of their cost: with a shorter
# log, persistent messages of 1 KiB lost 10 % of their rate.
CHECKPOINT_PAGES = 128
CHECKPOINT_PAGES_LARGE = 512
CHECKPOINT_PAGES_MOST = 4_096
CHECKPOINTS_OF_A_LENGTH = 8
LARGE_BATCH_PAGES = 4
# A brief commit writes fewer pages, wherever its rows stand.
BRIEF_PAGES = 64


class WriteAheadLog:
    """The log of one connection, used in the committer's thread."""

    __slots__ = (
        "_checkpoints",
        "_commits",
        "_db",
        "_file",
        "_files",
        "checkpoint_pages",
        "copied",
        "failed",
        "is_doubtful",
        "pages",
    )

    def __init__(self, db: apsw.Connection) -> None:
        self._db = db
        self._files = system()
        self._file = -1
        self._commits = 0
        self.checkpoint_pages = CHECKPOINT_PAGES
        """The number of pages at which it is copied into the file."""
        self.copied = 0
        """How often it was copied because of its length."""
        self.failed = 0
        """How often a copy failed."""
        self._checkpoints = 0
        self.pages = 0
        """Its length in pages."""
        self.is_doubtful = False
        """Has the disk failed, so that the log's contents may never reach it?"""
        db.set_wal_hook(self._committed)

    def _committed(self, _db: apsw.Connection, _name: str, pages: int) -> int:
        """SQLite's callback after a commit, with the length of the log."""
        self.pages = pages
        self._commits += 1
        return 0

    def end(self) -> tuple[int, int]:
        """The current salt of the log, and its length in pages; 0 and 0: unknown."""
        if self._file < 0:
            with contextlib.suppress(OSError):
                self._file = os.open(f"{self._db.filename}-wal", os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
        try:
            return SALT.unpack(os.pread(self._file, SALT.size, SALT_2_AT))[0], self.pages
        except (AttributeError, OSError, struct.error):
            return 0, 0

    def close(self) -> None:
        """Close the file that ``end`` reads."""
        file, self._file = self._file, -1
        if file >= 0:
            os.close(file)

    def doubt(self) -> None:
        """Note that the disk has failed."""
        self.is_doubtful = True

    def checkpoint(self, how: str = "PASSIVE") -> None:
        """Copy the log into the file. On a full disk it stays where it is, as half a copy would only take room."""
        with contextlib.suppress(apsw.Error):
            if self._missing_room() <= 0:
                reached("checkpoint.begun")
                self._db.execute(f"PRAGMA wal_checkpoint({how})").fetchall()
                reached("checkpoint.done")

    def _missing_room(self) -> int:
        """How many more octets the file needs for the contents of its log; 0 or less: none."""
        try:
            free, _ = self._files.room(self._db.filename)
            size = os.stat(self._db.filename).st_size  # noqa: PTH116
        except (AttributeError, OSError):
            return 0
        pages = int(rows(self._db, "PRAGMA page_count")[0][0]) * int(rows(self._db, "PRAGMA page_size")[0][0])
        return pages - size - free

    def checkpoint_if_due(self, *, is_wanted: bool) -> int:
        """Copy the log into the file, if it is long enough or if that is wanted anyway.

        Returns how many pages the log may have next; 0: it was not copied.
        """
        are_large = self.pages >= LARGE_BATCH_PAGES * self._commits
        due = max(self.checkpoint_pages, CHECKPOINT_PAGES_LARGE) if are_large else self.checkpoint_pages
        if self.pages < due and not is_wanted:
            return 0
        self._checkpoints += 1
        if self._checkpoints >= CHECKPOINTS_OF_A_LENGTH or are_large:
            self.checkpoint_pages = min(2 * due, CHECKPOINT_PAGES_MOST)
            self._checkpoints = 0
        self._commits = 0
        try:
            reached("checkpoint.begun")
            self._db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
            reached("checkpoint.done")
            self.copied += 1
        except apsw.Error as error:
            self.failed += 1
            # The batch is as safe as after its commit; the next one tries again.
            self.is_doubtful = self.is_doubtful or isinstance(error, apsw.IOError)
            log.warning("the store's log could not be copied into its file: %s", error)
        return self.checkpoint_pages

    @property
    def is_nearly_due(self) -> bool:
        """May it be copied after the next commit, if that is brief? After an error of the disk it is copied first."""
        return self.is_doubtful or self.pages + BRIEF_PAGES >= self.checkpoint_pages

    def renew(self) -> None:
        """Copy the whole log into the file, so that the next commit starts a new one. Raises apsw.Error.

        Later syncs do not repeat the writes of a failed one, which the kernel takes for written. After a power cut
        SQLite reads its log up to the first gap, so later confirmed commits must not come after one.
        """
        is_busy = rows(self._db, "PRAGMA wal_checkpoint(RESTART)")[0][0]
        if is_busy:
            raise apsw.BusyError("its log cannot be renewed after an error of the disk: another program reads it")
        self.is_doubtful = False
        reached("log.renewed")
