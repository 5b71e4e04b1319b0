"""Mutual exclusion among all processes of a machine, by a system lock that ends with its process."""

from __future__ import annotations

from batonmq.engines.forks import when_forked
from batonmq.store.file_lock import FileLock, Locked

__all__ = ["Exclusive"]


class Exclusive:
    """A lock that one holder has at a time. ``path`` is the lock file, which is created and stays."""

    __slots__ = ("__weakref__", "_lock", "_path")

    def __init__(self, path: str) -> None:
        self._path = path
        self._lock: FileLock | None = None
        when_forked(self)

    def take(self) -> bool:
        """Take the lock without waiting; False: it is held. Raises OSError if the file cannot be created."""
        try:
            self._lock = FileLock(self._path)
        except Locked:
            return False
        return True

    def release(self) -> None:
        """Release the lock."""
        lock, self._lock = self._lock, None
        if lock is not None:
            lock.release()

    def forked(self) -> None:
        """Close the copy in a forked child: the lock is the parent's, and an open copy would keep it."""
        self.release()
