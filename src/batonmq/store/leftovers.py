"""Files that an earlier opening left beside a store's file, checked before SQLite sees them."""

from __future__ import annotations

import logging
import os

from batonmq.errors import StoreError
from batonmq.store.files import system

__all__ = ["has_log", "set_aside"]

log = logging.getLogger("batonmq.store")


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size  # noqa: PTH116
    except OSError:
        return -1


def has_log(path: str) -> bool:
    """Is there a log, which may be empty?"""
    return _size(path + "-wal") >= 0


def set_aside(path: str) -> None:
    """If the file is missing or empty, move its old log out of the way, since SQLite would delete it.

    A process that still has the old file open keeps its log, under the new name, and notices the loss at its next
    commit. Raises StoreError.
    """
    if _size(path) > 0:
        return
    was_there = _size(path + "-hands") > 0
    if _size(path + "-wal") <= 0:
        if was_there:
            log.error("%s was there at the last opening, which was not ended in order, and is gone or empty", path)
        _remove_index(path)
        return
    number = 1
    while os.path.lexists(f"{path}-wal-lost-{number}"):
        number += 1
    kept = f"{path}-wal-lost-{number}"
    try:
        system().rename(path + "-wal", kept)
    except OSError as error:
        raise StoreError(f"{path} is gone or empty, and its old log cannot be moved: {error.strerror}") from error
    _remove_index(path)
    log.error("%s is gone or empty; confirmed messages are lost but for those in its old log, now %s", path, kept)


def _remove_index(path: str) -> None:
    """Remove the old log's index: a process with the old file open may still use it, so the new file gets its own."""
    try:
        system().delete(path + "-shm")
    except FileNotFoundError:
        pass
    except OSError as error:
        raise StoreError(f"{path} is gone or empty, and {path}-shm cannot be deleted: {error.strerror}") from error
