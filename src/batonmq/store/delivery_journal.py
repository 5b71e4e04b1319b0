"""Up to where each lane was handed out, in a small file beside the store: written in 2 us, where a commit takes 50.

A consumer may see a message when it is noted that it was handed out, so that it comes back as redelivered when this
process is killed. What was written into a file outlives the process, as a commit that is not synced does; the marks in
the store, which go there with the next batch, outlive a crash of the system as well. So this file counts only until
then, for one opening of the store: both bear the same number, which is another one each time.

    "BatonMQh", number of the opening, and eight bytes for each lane: the last position that was handed out

No lane has the number 0. In its place stands how long SQLite's log was after the last commit that was synced, and which
log that was: where one is found shorter later, somebody has cut it, and what was confirmed is lost.
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
    """The file of one opening. What fails ends it: then it is not there any more, and everything waits for commits."""

    __slots__ = ("_file", "_files", "_path", "_pwrite", "number")

    def __init__(self, store_path: str) -> None:
        """``begin`` makes the file."""
        # Of 63 bits, as the store has numbers.
        self.number = secrets.randbits(62) + 1
        self._path = store_path + SUFFIX
        self._files = system()
        self._pwrite = self._files.write
        self._file = -1

    def begin(self) -> None:
        """Make the file anew, when the store has the number. Without one where that cannot be done."""
        if self._pwrite is None:
            return
        try:
            self._file = self._files.open(self._path, os.O_RDWR | os.O_CREAT | os.O_TRUNC)
            self._write(MAGIC + NUMBER.pack(self.number), 0)
            reached("journal.begun")
        except OSError:
            self.end()

    def note(self, lane_id: int, position: int) -> bool:
        """Note how far a lane was handed out; False: that cannot be noted here."""
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
        """The store has it all, or nobody must believe what is there."""
        if self._file >= 0:
            self.abandon()
            with contextlib.suppress(OSError):
                self._files.delete(self._path)

    def abandon(self) -> None:
        """Let go of the file and leave it for the next opening."""
        file, self._file = self._file, -1
        if file >= 0:
            self._files.close(file)


def marks_of(store_path: str, number: int) -> Mapping[int, int]:
    """Lane and position, of what an opening of that number has left behind; nothing where there is none."""
    data = _left(store_path)
    if data[:FIRST] != MAGIC + NUMBER.pack(number):
        return {}
    count = (len(data) - FIRST) // NUMBER.size
    positions = struct.unpack_from(f"<{count}Q", data, FIRST)
    marks = {lane_id: position for lane_id, position in enumerate(positions) if 0 < position <= POSITION_MASK}
    marks.pop(0, None)
    return marks


def log_end(store_path: str) -> tuple[int, int]:
    """The salt of a log, and how many of its pages the disk had for sure; 0 and 0 where nothing is known."""
    data = _left(store_path)
    if not data.startswith(MAGIC) or len(data) < FIRST + LOG_END.size:
        return 0, 0
    salt, pages = LOG_END.unpack_from(data, FIRST)
    return salt, pages


def _left(store_path: str) -> bytes:
    """What an opening has left behind."""
    try:
        # What is there may be anything, and nothing keeps the store from being opened: a pipe is not waited for.
        file = os.open(store_path + SUFFIX, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
        try:
            return os.read(file, SIZE_MAX)
        finally:
            os.close(file)
    except OSError:
        return b""
