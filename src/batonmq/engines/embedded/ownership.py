"""One process has the file: a lock that the system takes back when that process ends, however it ends.

The lock file says who has it, and how he can be reached:

    4711                     the process
    orders.db-socket         where it serves others; nothing: it does not (a broker, or a process without such sockets)
"""

from __future__ import annotations

import contextlib
import os
import sys

from batonmq.engines.forks import when_forked
from batonmq.errors import StoreError

__all__ = ["STARTING", "InUse", "Inherited", "Ownership", "check_free"]

LOCK_SUFFIX = "-lock"
# A broker's data directory has this file, and the broker locks that one: it and a program never have both.
SERVED_NAME = "batonmq.db"
SERVED_LOCK = "broker.lock"
# A process, and a path that may have 4095 bytes.
NOTE_MAX = 8192
# The note of a process that is opening the file. It names no socket: those are beside the file, or have whole paths.
STARTING = "."

if sys.platform == "win32":
    import msvcrt

    def _lock(handle: int) -> None:
        # One byte far beyond what is written, since others must still be able to read who holds the lock.
        os.lseek(handle, 1 << 20, os.SEEK_SET)
        msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
else:
    import fcntl

    def _lock(handle: int) -> None:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _lock_name(path: str) -> str:
    folder, name = os.path.split(path)
    return os.path.join(folder, SERVED_LOCK) if name == SERVED_NAME else path + LOCK_SUFFIX  # noqa: PTH118


class InUse(StoreError):
    """Another process has the file. ``note`` is what it says about where it can be reached, "" for nothing."""

    def __init__(self, text: str, note: str = "") -> None:
        super().__init__(text)
        self.note = note


class Inherited(InUse):
    """This process was forked while its parent had the file open, and can have it only through another process."""


class Ownership:
    """Holds the lock beside a store's file, which stays when it is released: deleting it would race with others."""

    def __init__(self, path: str, note: str = "") -> None:
        """Raises InUse, StoreError."""
        self._handle = _take(path)
        when_forked(self)
        self.say(note)

    def say(self, note: str) -> None:
        """Note for others how this process can be reached."""
        text = os.fsencode(f"{os.getpid()}\n{note}\n" if note else f"{os.getpid()}\n")
        # A full disk keeps nobody from emptying a queue: others cannot share the file then, that is all.
        with contextlib.suppress(OSError):
            os.lseek(self._handle, 0, os.SEEK_SET)
            os.ftruncate(self._handle, os.write(self._handle, text))

    def release(self) -> None:
        """Let others have it."""
        handle, self._handle = self._handle, -1
        if handle >= 0:
            os.close(handle)

    # The parent still has it: closing a copy of the handle does not give up the lock (flock(2)).
    forked = release


def check_free(path: str) -> None:
    """Does nobody have the file, at this moment? Raises InUse, StoreError."""
    os.close(_take(path))


def _take(path: str) -> int:
    name = _lock_name(path)
    while True:
        try:
            handle = os.open(name, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o600)
        except OSError as error:
            raise StoreError(f"cannot use {path}: {error.strerror}") from error
        try:
            _lock(handle)
        except (BlockingIOError, PermissionError):
            raise _in_use(path, handle) from None
        if _is_named(handle, name):
            return handle
        # Somebody has deleted or replaced the file meanwhile: this one keeps nobody out.
        os.close(handle)


def _in_use(path: str, handle: int) -> InUse:
    os.lseek(handle, 0, os.SEEK_SET)
    said = os.fsdecode(os.read(handle, NOTE_MAX))
    os.close(handle)
    holder, _, note = said.partition("\n")
    who = f" ({holder.strip()})" if holder.strip().isdigit() else ""
    # A note without its end is being written.
    return InUse(f"{path} is in use by another process{who}", note[:-1] if note.endswith("\n") else "")


def _is_named(handle: int, name: str) -> bool:
    try:
        return os.path.samestat(os.fstat(handle), os.stat(name))  # noqa: PTH116
    except FileNotFoundError:
        return False
