"""The data directory: made for its owner alone, and used by one broker at a time."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from batonmq.server.failures import StartError

__all__ = ["Locked", "exclusive_lock", "open_data_directory"]

LOCK_NAME = "broker.lock"


class Locked(Exception):
    """Another process holds the lock; `holder` is what it has written about itself."""

    def __init__(self, holder: str) -> None:
        super().__init__(holder)
        self.holder = holder


if sys.platform == "win32":
    import msvcrt

    def _lock(handle: int, *, wait: bool) -> None:
        # One byte far beyond what is written, since others must still be able to read who holds the lock.
        os.lseek(handle, 1 << 20, os.SEEK_SET)
        msvcrt.locking(handle, msvcrt.LK_LOCK if wait else msvcrt.LK_NBLCK, 1)
        os.lseek(handle, 0, os.SEEK_SET)
else:
    import fcntl

    def _lock(handle: int, *, wait: bool) -> None:
        fcntl.flock(handle, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)


@contextlib.contextmanager
def exclusive_lock(path: Path, *, wait: bool) -> Iterator[None]:
    """Hold a lock file, which the system releases when the process ends, however it ends.

    Raises Locked when another holds it and `wait` is False, OSError when the file cannot be made.
    """
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            _lock(handle, wait=wait)
        except (BlockingIOError, PermissionError):
            raise Locked(os.read(handle, 64).decode("ascii", "replace").strip()) from None
        os.ftruncate(handle, 0)
        os.write(handle, f"{os.getpid()}\n".encode())
        yield
    finally:
        os.close(handle)


@contextlib.contextmanager
def open_data_directory(path: Path) -> Iterator[None]:
    """Make the directory if need be (mode 0700) and keep other brokers out of it. Raises StartError."""
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        with exclusive_lock(path / LOCK_NAME, wait=False):
            yield
    except Locked as locked:
        process = f" (process {locked.holder})" if locked.holder.isdigit() else ""
        raise StartError(f"the data directory {path} is in use by another broker{process}") from None
    except FileExistsError:
        raise StartError(f"the data directory {path} is not a directory") from None
    except OSError as error:
        raise StartError(f"the data directory {path} cannot be used: {error.strerror}") from None
