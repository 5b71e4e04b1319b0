"""A small file beside the store with the position up to which each lane was handed out.

A note takes 2 us, where a commit takes 50. A consumer may see a message once its delivery is noted, so that it comes
back as redelivered if this process is killed. A write to a file outlives the process, like a commit without a sync; the
marks in the store, which follow with the next batch, outlive a crash of the system as well. So this file only counts
until then, for one opening of the store: both have the same number, which is new each time.
    "BatonMQh", number of the opening, and eight bytes for each lane: the last position that was handed out

No lane has the number 0. Its place holds the length of SQLite's log after the last synced commit, and the log's salt: a
log that is found shorter later was cut, and confirmed messages are lost.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import struct
from collections.abc import Mapping

from batonmq.points import reached
from batonmq.store.files import system
from batonmq.store.records import LANES_MAX, POSITION_MASK

__all__ = ["DeliveryJournal", "log_end", "marks_of"]

SUFFIX = "-hands"
MAGIC = b"BatonMQh"
NUMBER = struct.Struct("<Q")
LOG_END = struct.Struct("<II")
FIRST = len(MAGIC) + NUMBER.size
SIZE_MAX = FIRST + NUMBER.size * (LANES_MAX + 1)


class DeliveryJournal:
    """The file of one opening. Any error ends it: then it is deleted, and deliveries wait for commits."""

    __slots__ = ("_file", "_files", "_path", "_pwrite", "number")

    def __init__(self, store_path: str) -> None:
        """``begin`` creates the file."""
        # 63 bits, like the store's numbers.
        self.number = secrets.randbits(62) + 1
        self._path = store_path + SUFFIX
        self._files = system()
        self._pwrite = self._files.write
        self._file = -1

    def begin(self) -> None:
        """Create the file, once the store has the number. After an error there is none."""
        if self._pwrite is None:
            return
        try:
            self._file = self._files.open(self._path, os.O_RDWR | os.O_CREAT | os.O_TRUNC)
            self._write(MAGIC + NUMBER.pack(self.number), 0)
            reached("journal.begun")
        except OSError:
            self.end()

    def note(self, lane_id: int, position: int) -> bool:
        """Note how far a lane was handed out; False: it cannot be noted here."""
        if self._file < 0:
            return False
        try:
            self._write(NUMBER.pack(position), FIRST + NUMBER.size * lane_id)
        except OSError:
            self.end()
            return False
        reached("journal.noted")
        return True

    def note_log(self, salt: int, pages: int) -> None:
        """Note that this many pages of the log with that salt are on the disk."""
        if self._file >= 0:
            try:
                self._write(LOG_END.pack(salt, pages), FIRST)
            except OSError:
                self.end()

    def _write(self, data: bytes, at: int) -> None:
        assert self._pwrite is not None
        if self._pwrite(self._file, data, at) != len(data):
            raise OSError("the disk is full")

    def end(self) -> None:
        """Delete the file: the store has all its notes, or they cannot be trusted."""
        if self._file >= 0:
            self.abandon()
            with contextlib.suppress(OSError):
                self._files.delete(self._path)

    def abandon(self) -> None:
        """Close the file, and leave it for the next opening."""
        file, self._file = self._file, -1
        if file >= 0:
            self._files.close(file)


def marks_of(store_path: str, number: int) -> Mapping[int, int]:
    """The positions by lane that the opening of that number has left; empty if there is no file of it."""
    data = _left(store_path)
    if data[:FIRST] != MAGIC + NUMBER.pack(number):
        return {}
    count = (len(data) - FIRST) // NUMBER.size
    positions = struct.unpack_from(f"<{count}Q", data, FIRST)
    marks = {lane_id: position for lane_id, position in enumerate(positions) if 0 < position <= POSITION_MASK}
    marks.pop(0, None)
    return marks


def log_end(store_path: str) -> tuple[int, int]:
    """The salt of a log, and the number of its pages that were synced; 0 and 0: unknown."""
    data = _left(store_path)
    if not data.startswith(MAGIC) or len(data) < FIRST + LOG_END.size:
        return 0, 0
    salt, pages = LOG_END.unpack_from(data, FIRST)
    return salt, pages


def _left(store_path: str) -> bytes:
    """The contents of the file that an earlier opening has left."""
    try:
        # It may be any kind of file, and must not keep the store from opening: a pipe would block.
        file = os.open(store_path + SUFFIX, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
        try:
            return os.read(file, SIZE_MAX)
        finally:
            os.close(file)
    except OSError:
        return b""
