"""One process has the file: a lock that the system takes back when that process ends, however it ends.

The note in the lock file says where that process serves others. No note: it does not, being a broker, or a process
without such sockets.
"""

from __future__ import annotations

import os

from batonmq.engines.forks import when_forked
from batonmq.errors import StoreError
from batonmq.points import reached
from batonmq.store.file_lock import FileLock, Locked

__all__ = ["STARTING", "Ending", "InUse", "Inherited", "Ownership", "check_free"]

LOCK_SUFFIX = "-lock"
# A broker's data directory has this file, and the broker locks that one: it and a program never have both.
SERVED_NAME = "batonmq.db"
SERVED_LOCK = "broker.lock"
# The note of a process that is opening the file. It names no socket: those are beside the file, or have whole paths.
STARTING = "."


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


class Ending(InUse):
    """The lock is free, and the file is not: whoever had both is about to end, or the lock file was deleted."""


class Ownership:
    """Holds the lock beside a store's file, which stays when it is released: deleting it would race with others."""

    def __init__(self, path: str, note: str = "") -> None:
        """Raises InUse, StoreError."""
        self._lock = _take(path)
        when_forked(self)
        self.say(note)

    def say(self, note: str) -> None:
        """Note for others how this process can be reached."""
        self._lock.say(note)

    def release(self) -> None:
        """Let others have it."""
        self._lock.release()
        reached("lock.released")

    # The parent still has it: closing a copy of the handle does not give up the lock (flock(2)).
    forked = release


def check_free(path: str) -> None:
    """Does nobody have the file, at this moment? Raises InUse, StoreError."""
    _take(path).release()


def _take(path: str) -> FileLock:
    try:
        return FileLock(_lock_name(path))
    except Locked as locked:
        who = f" ({locked.process})" if locked.process else ""
        raise InUse(f"{path} is in use by another process{who}", locked.note) from None
    except OSError as error:
        raise StoreError(f"cannot use {path}: {error.strerror}") from error
