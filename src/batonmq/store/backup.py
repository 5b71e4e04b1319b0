"""Copies a store while its owner continues to work: a consistent snapshot."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import apsw

from batonmq.errors import StoreCorrupt, StoreError
from batonmq.store.batch import MARK
from batonmq.store.delivery_journal import marks_of
from batonmq.store.failures import DAMAGE, damaged
from batonmq.store.leftovers import has_log
from batonmq.store.looking import look_into, open_to_look
from batonmq.store.schema import is_marked_open, note_closing, read_opening

__all__ = ["copy_store", "sync_path"]

# The pages copied between two reports: 32 MiB.
STEP = 4_096


def copy_store(path: str, to: Path, advance: Callable[[int], None] = lambda _: None) -> None:
    """Copy a store into a new file, with its log and the marks of handed out messages, and sync it.

    ``advance`` is called with the bytes so far. Raises StoreError, StoreCorrupt, OSError; the new file is then
    worthless.
    """
    had_log = has_log(path)
    try:
        source = open_to_look(path)
        try:
            with source:
                # From here on this connection sees no changes by others.
                look_into(source, path)
                if not had_log and is_marked_open(source):
                    raise StoreCorrupt(
                        f"{path} was not closed in order, and its log (-wal) is gone: confirmed messages may be missing"
                    )
                _copy_pages(source, to, advance)
                # Later marks are included: at worst one more message is marked as redelivered.
                marks = marks_of(path, read_opening(source))
        finally:
            source.close()
        _end_in_order(to, marks)
    except DAMAGE as error:
        raise damaged(path, error) from error
    except apsw.Error as error:
        raise StoreError(f"cannot copy {path}: {error}") from error
    shutil.copymode(path, to)
    sync_path(to)


def _copy_pages(source: apsw.Connection, to: Path, advance: Callable[[int], None]) -> None:
    target = apsw.Connection(str(to))
    try:
        # The file gets its name when it is complete: until then it needs no journal.
        target.execute("PRAGMA journal_mode=OFF").fetchall()
        target.execute("PRAGMA synchronous=OFF")
        page_size = int(source.pragma("page_size"))
        with target.backup("main", source, "main") as copying:
            is_done = False
            while not is_done:
                is_done = copying.step(STEP)
                advance((copying.page_count - copying.remaining) * page_size)
    finally:
        target.close()


def _end_in_order(to: Path, marks: Mapping[int, int]) -> None:
    """Close the copy like a broker that stops: its log is in the file, and the next opening expects none."""
    target = apsw.Connection(str(to))
    try:
        with target:
            target.executemany(MARK, [(position, lane_id) for lane_id, position in marks.items()])
            note_closing(target)
        target.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    finally:
        target.close()


def sync_path(path: Path) -> None:
    """Sync a file or a directory to the disk. Raises OSError for a file."""
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
    try:
        with contextlib.suppress(OSError) if path.is_dir() else contextlib.nullcontext():
            os.fsync(handle)
    finally:
        os.close(handle)
