"""One at a time among all processes of a machine: a lock of the system, which goes with the process that has it."""

from __future__ import annotations

from batonmq.engines.forks import when_forked
from batonmq.store.file_lock import FileLock, Locked

__all__ = ["Exclusive"]


class Exclusive:
    """Held by one at a time; ``path`` is the file that is locked. It is made, and stays."""

    __slots__ = ("__weakref__", "_lock", "_path")

    def __init__(self, path: str) -> None:
        self._path = path
        self._lock: FileLock | None = None
        when_forked(self)

    def take(self) -> bool:
        """Take it, without waiting; False: another has it. Raises OSError when the file cannot be made."""
        try:
            self._lock = FileLock(self._path)
        except Locked:
            return False
        return True

    def release(self) -> None:
        """Let others have it."""
        lock, self._lock = self._lock, None
        if lock is not None:
            lock.release()

    def forked(self) -> None:
        """It is the parent's, for as long as no child keeps the file open."""
        self.release()
