"""A lock file: the system releases the lock when the process ends, however it ends.

It names the holder of the lock, for others to read:

    4711                     the process
    orders.db-socket         a note of its own, or no such line
"""

from __future__ import annotations

import contextlib
import os
import sys

from batonmq.points import reached

__all__ = ["FileLock", "Locked"]

# A process, and a path that may have 4095 bytes.
NOTE_MAX = 8192

if sys.platform == "win32":
    import msvcrt

    def _lock(handle: int, *, wait: bool) -> None:
        # One byte far beyond the text, since others must still be able to read who holds the lock.
        os.lseek(handle, 1 << 20, os.SEEK_SET)
        msvcrt.locking(handle, msvcrt.LK_LOCK if wait else msvcrt.LK_NBLCK, 1)
        os.lseek(handle, 0, os.SEEK_SET)
else:
    import fcntl

    def _lock(handle: int, *, wait: bool) -> None:
        fcntl.flock(handle, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)


class Locked(Exception):
    """Another process holds the lock."""

    def __init__(self, said: str = "") -> None:
        """``said``: the contents of the file."""
        super().__init__(said)
        process, _, note = said.partition("\n")
        self.process = process.strip() if process.strip().isdigit() else ""
        """The number of that process, "" if it has not written it."""
        # A note without its end is being written.
        self.note = note[:-1] if note.endswith("\n") else ""
        """Its own note; "": none."""


class FileLock:
    """A lock, held until it is released. The file stays; only who holds the lock may delete it."""

    __slots__ = ("_handle",)

    def __init__(self, path: str, *, wait: bool = False) -> None:
        """Raises Locked if another holds it and ``wait`` is False, OSError if the file cannot be created."""
        while True:
            self._handle = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o600)
            try:
                _lock(self._handle, wait=wait)
            except (BlockingIOError, PermissionError):
                os.lseek(self._handle, 0, os.SEEK_SET)
                said = os.fsdecode(os.read(self._handle, NOTE_MAX))
                self.release()
                raise Locked(said) from None
            except BaseException:
                self.release()
                raise
            if self._is_named(path):
                reached("lock.taken")
                return
            # The file was deleted or replaced meanwhile, so this lock keeps nobody out.
            self.release()

    def _is_named(self, path: str) -> bool:
        try:
            return os.path.samestat(os.fstat(self._handle), os.stat(path))  # noqa: PTH116
        except FileNotFoundError:
            return False

    def say(self, note: str = "") -> None:
        """Write which process this is, and a note, for others to read."""
        text = os.fsencode(f"{os.getpid()}\n{note}\n" if note else f"{os.getpid()}\n")
        # A full disk must not keep anybody from emptying a queue; only the holder's name is missing then.
        with contextlib.suppress(OSError):
            os.lseek(self._handle, 0, os.SEEK_SET)
            os.ftruncate(self._handle, os.write(self._handle, text))

    def release(self) -> None:
        """Release the lock. In a forked child the parent still has it (flock(2))."""
        handle, self._handle = self._handle, -1
        if handle >= 0:
            os.close(handle)
