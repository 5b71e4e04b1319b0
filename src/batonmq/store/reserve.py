"""Disk space reserved for a full disk: deleting from a database needs some, too.

When the disk is full most of it is given up, so that settlements continue and free space; a last piece is kept for the
next opening, which has to note the effects of a crash. It is made again when there is room.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat

from batonmq.points import reached
from batonmq.store.files import system

__all__ = ["LAST_SIZE", "Reserve"]

SUFFIX = "-reserve"
# Enough for some hundred thousand settlements, or for the whole log while that is short.
SIZE = 4 << 20
LAST_SIZE = 1 << 20
LEAST_SIZE = 64 << 10
# The free space besides it before messages are accepted again: an eighth of the disk, within these limits.
HEADROOM_LEAST = 2 << 20
HEADROOM_MOST = 64 << 20
NO_ROOM = {errno.ENOSPC, errno.EDQUOT}


class Reserve:
    """A file beside the store. If it cannot be created for another reason than a full disk, there is none."""

    __slots__ = ("_files", "_path", "_size")

    def __init__(self, store_path: str) -> None:
        self._path = store_path + SUFFIX
        self._size = SIZE
        self._files = system()

    def grow(self, log_size: int) -> None:
        """Enlarge it for a log of this size, all of which may have to be copied."""
        if SIZE + log_size > self._size:
            self._size = SIZE + log_size
            self.make()

    def make(self) -> bool:
        """Make it complete, with some free space besides it; False: there is not enough room."""
        files = self._files
        if not files.can_allocate:
            return True
        try:
            handle = files.open(self._path, os.O_RDWR | os.O_CREAT | os.O_NONBLOCK)
        except OSError as error:
            return error.errno not in NO_ROOM
        try:
            before = os.fstat(handle).st_size
            try:
                files.allocate(handle, self._size)
            except OSError as error:
                if error.errno not in NO_ROOM:
                    return True
                files.truncate(handle, before)
                return False
        except OSError:
            return True
        finally:
            files.close(handle)
        reached("reserve.made")
        return self._has_headroom()

    def has_room(self) -> bool:
        """Is there as much room as a start may need?"""
        try:
            free, _ = self._files.room(os.path.dirname(self._path))  # noqa: PTH120
        except (AttributeError, OSError):
            return True
        return free >= LAST_SIZE

    def _has_headroom(self) -> bool:
        """Is there some more space? Otherwise the next message would find the disk full again."""
        try:
            free, size = self._files.room(self._path)
        except OSError:
            return True
        return free >= min(max(size // 8, HEADROOM_LEAST), HEADROOM_MOST)

    def make_last(self) -> None:
        """Reserve at least a piece for the next opening, as large as there is room for."""
        whole, self._size = self._size, LAST_SIZE
        while self._size >= LEAST_SIZE and not self._exists():
            self.make()
            self._size = self._size * 3 // 4
        self._size = whole

    def _exists(self) -> bool:
        try:
            return os.stat(self._path).st_size > 0  # noqa: PTH116
        except OSError:
            return False

    def give_up(self) -> None:
        """The disk is full: give up most of it; a smaller one will do when there is room again."""
        self._size = SIZE
        with contextlib.suppress(OSError):
            if os.stat(self._path).st_size > LAST_SIZE:  # noqa: PTH116
                self._cut()
                reached("reserve.freed")

    def _cut(self) -> None:
        handle = self._files.open(self._path, os.O_RDWR | getattr(os, "O_NONBLOCK", 0))
        try:
            self._files.truncate(handle, LAST_SIZE)
        finally:
            self._files.close(handle)

    def remove(self) -> bool:
        """Give up all of it; returns whether there was any."""
        try:
            found = os.lstat(self._path)
            if not stat.S_ISREG(found.st_mode):
                return False
            self._files.delete(self._path)
        except OSError:
            return False
        reached("reserve.freed")
        return found.st_size > 0
