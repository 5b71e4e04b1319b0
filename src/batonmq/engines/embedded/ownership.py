"""One process has the file: a lock that the system takes back when that process ends, however it ends."""

from __future__ import annotations

import os
import sys

from batonmq.errors import StoreError

__all__ = ["InUse", "Ownership"]

LOCK_SUFFIX = "-lock"
# A broker's data directory has this file, and the broker locks that one: it and a program never have both.
SERVED_NAME = "batonmq.db"
SERVED_LOCK = "broker.lock"

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
    """Another process has the file."""


class Ownership:
    """Holds the lock beside a store's file, which stays when it is released: deleting it would race with others."""

    def __init__(self, path: str) -> None:
        """Raises InUse, StoreError."""
        self._handle = -1
        try:
            handle = os.open(_lock_name(path), os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o600)
        except OSError as error:
            raise StoreError(f"cannot use {path}: {error.strerror}") from error
        try:
            _lock(handle)
        except (BlockingIOError, PermissionError):
            holder = os.read(handle, 64).decode("ascii", "replace").strip()
            os.close(handle)
            raise InUse(f"{path} is in use by another process{f' ({holder})' if holder.isdigit() else ''}") from None
        os.ftruncate(handle, 0)
        os.lseek(handle, 0, os.SEEK_SET)
        os.write(handle, f"{os.getpid()}\n".encode())
        self._handle = handle

    def release(self) -> None:
        """Let others have it."""
        handle, self._handle = self._handle, -1
        if handle >= 0:
            os.close(handle)
