"""The data directory: accessible to its owner only, and used by one broker at a time."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from batonmq.server.failures import StartError
from batonmq.store.file_lock import FileLock, Locked

__all__ = ["exclusive_lock", "open_data_directory"]

LOCK_NAME = "broker.lock"

if sys.platform == "win32":

    def _lock_directory(path: Path) -> int | None:
        """On Windows a file that is in use cannot be deleted."""
        del path
        return None
else:
    import fcntl

    def _lock_directory(path: Path) -> int:
        """Lock the directory itself, a lock that holds whatever is deleted in it. Raises Locked."""
        handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            raise Locked from None
        except OSError:
            # Directories cannot be locked on this file system; the lock file has to do.
            pass
        return handle


@contextlib.contextmanager
def exclusive_lock(path: Path, *, wait: bool) -> Iterator[None]:
    """Hold a lock file, which the system releases when the process ends, however it ends.

    Raises Locked when another holds it and `wait` is False, OSError when the file cannot be made.
    """
    lock = FileLock(str(path), wait=wait)
    try:
        lock.say()
        yield
    finally:
        lock.release()


@contextlib.contextmanager
def _locked_directory(path: Path) -> Iterator[None]:
    handle = _lock_directory(path)
    try:
        yield
    finally:
        if handle is not None:
            os.close(handle)


@contextlib.contextmanager
def open_data_directory(path: Path) -> Iterator[None]:
    """Create the directory if necessary (mode 0700), and keep other brokers out of it. Raises StartError."""
    with contextlib.ExitStack() as held:
        _enter(path, held)
        yield


def _enter(path: Path, held: contextlib.ExitStack) -> None:
    """Raises StartError."""
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        held.enter_context(exclusive_lock(path / LOCK_NAME, wait=False))
        held.enter_context(_locked_directory(path))
    except Locked as locked:
        process = f" (process {locked.process})" if locked.process else ""
        raise StartError(f"the data directory {path} is in use by another broker{process}") from None
    except FileExistsError:
        raise StartError(f"the data directory {path} is not a directory") from None
    except OSError as error:
        raise StartError(f"the data directory {path} cannot be used: {error.strerror}") from None
