"""One process owns the file, by a lock that the system releases however that process ends.

The note in the lock file says where the owner serves others. No note: it does not, because it is a broker, or has no
such sockets.
"""

from __future__ import annotations

import contextlib
import os

from batonmq.engines.forks import when_forked
from batonmq.errors import StoreError
from batonmq.points import reached
from batonmq.store.file_lock import FileLock, Locked

__all__ = ["STARTING", "Ending", "InUse", "Inherited", "Ownership", "check_free"]

LOCK_SUFFIX = "-lock"
# The store of a broker's data directory, and the file there that a broker locks. A program that opens this store locks
# the same file, so that never both have it.
SERVED_NAME = "batonmq.db"
SERVED_LOCK = "broker.lock"
# The note of a process that is opening the file. No socket has this name: sockets are beside the file, or have whole
# paths.
STARTING = "."


def _lock_name(path: str) -> str:
    folder, name = os.path.split(path)
    return os.path.join(folder, SERVED_LOCK) if name == SERVED_NAME else path + LOCK_SUFFIX  # noqa: PTH118


class InUse(StoreError):
    """Another process owns the file. ``note`` says where it can be reached, "" for nowhere."""

    def __init__(self, text: str, note: str = "") -> None:
        super().__init__(text)
        self.note = note


class Inherited(InUse):
    """This process was forked while its parent had the file open, and can use it only through another process."""


class Ending(InUse):
    """The lock is free but the file is not: the owner is about to end, or the lock file was deleted."""


class Ownership:
    """Holds the lock file beside a store's file, which stays when the file is closed."""

    def __init__(self, path: str, note: str = "") -> None:
        """Raises InUse, StoreError."""
        self._name = _lock_name(path)
        self._is_new = not os.path.exists(self._name)  # noqa: PTH110
        self._lock = _take(path)
        when_forked(self)
        self.say(note)

    def say(self, note: str) -> None:
        """Note for others how this process can be reached."""
        self._lock.say(note)

    def release(self) -> None:
        """Release the lock."""
        self._lock.release()
        reached("lock.released")

    def withdraw(self) -> None:
        """Release the lock, as the file cannot be used; a lock file that was not there before goes, too."""
        if self._is_new:
            # While it is held: whoever has it open finds that it has lost its name (FileLock), and makes a new one.
            # Windows deletes no open file.
            with contextlib.suppress(OSError):
                os.unlink(self._name)  # noqa: PTH108
        self.release()

    # The parent still holds it: closing a copy of the handle does not release the lock (flock(2)).
    forked = release


def check_free(path: str) -> None:
    """Does nobody own the file right now? Raises InUse, StoreError."""
    _take(path).release()


def _take(path: str) -> FileLock:
    if os.path.isdir(path):  # noqa: PTH112
        # Told before there is a lock beside it.
        served = os.path.join(path, SERVED_NAME)  # noqa: PTH118
        known = f", as {served} in it is one" if os.path.exists(served) else ""  # noqa: PTH110
        raise StoreError(f"cannot use {path}: it is a folder, and queues are in a file{known}")
    try:
        return FileLock(_lock_name(path))
    except Locked as locked:
        who = f" ({locked.process})" if locked.process else ""
        raise InUse(f"{path} is in use by another process{who}", locked.note) from None
    except OSError as error:
        raise StoreError(f"cannot use {path}: {error.strerror}") from error
