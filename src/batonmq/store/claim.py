"""Marks the owner of a database on the file itself, and checks that its name still belongs to that file.

Lock files can be deleted, and then keep nobody out. So one byte of the database is locked as well, far beyond where
SQLite locks or writes anything, with a lock that belongs to the open file and not to the process (fcntl(2), "open file
description locks"). Closing any handle of a file drops the locks that SQLite has on it in this process. So a claim is
released after SQLite has closed the file, and none is tried on a file that this process already has open.
"""

from __future__ import annotations

import contextlib
import os
import struct
import sys

from batonmq.errors import StoreError

__all__ = ["Claim", "Claimed"]

# struct flock: type, whence, start, length, process. SQLite locks some bytes at 1 GiB.
CLAIMED_BYTE = 1 << 62
FLOCK = "hhqqi4x"

if sys.platform == "linux" and struct.calcsize("P") == 8:
    import fcntl

    def _claim(handle: int) -> None:
        lock = struct.pack(FLOCK, fcntl.F_WRLCK, os.SEEK_SET, CLAIMED_BYTE, 1, 0)
        fcntl.fcntl(handle, fcntl.F_OFD_SETLK, lock)
else:

    def _claim(handle: int) -> None:
        """Do nothing: there is only the lock file."""


# Device and number of the files that this process has open.
_here: set[tuple[int, int]] = set()


class Claimed(StoreError):
    """Another process has the file, possibly only until it has ended.

    A killed process loses its locks one by one, so its lock file may be free before this one.
    """


class Claim:
    """The claim on one opening of a database and its log, both of which exist."""

    __slots__ = ("_files", "_handle", "_number", "path")

    def __init__(self, path: str) -> None:
        """Raises Claimed when another process has the file, StoreError when another store of this one has it."""
        # The program may change its directory.
        self.path = os.path.abspath(path)  # noqa: PTH100
        self._files: list[tuple[str, tuple[int, int]]] = []
        self._handle = -1
        self._number = self._number_of(self.path)
        if self._number in _here:
            raise StoreError(f"{path} is in use by this process already")
        # A file that may only be read fails at the first write.
        with contextlib.suppress(PermissionError):
            self._handle = os.open(self.path, os.O_RDWR | getattr(os, "O_CLOEXEC", 0))
        try:
            if self._handle >= 0:
                _claim(self._handle)
        except (BlockingIOError, PermissionError):
            self._close()
            raise Claimed(f"{path} is in use by another process") from None
        except OSError:
            # The file system has no such locks; the lock file has to do.
            pass
        _here.add(self._number)

    @staticmethod
    def _number_of(path: str) -> tuple[int, int]:
        found = os.stat(path)  # noqa: PTH116
        return found.st_dev, found.st_ino

    def watch(self) -> None:
        """Watch from now on whether the file and its log are still there."""
        self._files = [(path, self._number_of(path)) for path in (self.path, self.path + "-wal")]

    def lost(self) -> str | None:
        """The file that was deleted or replaced; None: none. Takes 3 us."""
        for path, number in self._files:
            try:
                if self._number_of(path) != number:
                    return path
            except (FileNotFoundError, NotADirectoryError):
                return path
            except OSError:
                # Unknown at present.
                continue
        return None

    def release(self) -> None:
        """Release the claim, after SQLite has closed the file."""
        _here.discard(self._number)
        self._close()

    def _close(self) -> None:
        handle, self._handle = self._handle, -1
        if handle >= 0:
            os.close(handle)
