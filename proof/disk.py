"""A disk that can be full, slow, read-only, fail, and lose power: what lies on it, and what of that has arrived.

It is a layer between SQLite and the file system (an SQLite VFS), and between the store and the system for the files
that the store writes itself, so that the store under test is the one that runs everywhere.
"""

from __future__ import annotations

import errno
import itertools
import os
import threading
from collections.abc import Callable
from enum import Enum
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

import apsw

from batonmq.store import files as store_files
from proof.platter import (
    Deleted,
    Event,
    Files,
    FolderSynced,
    Found,
    Made,
    Platter,
    Renamed,
    Resized,
    Synced,
    SyncFailed,
    Written,
)

__all__ = ["Disk", "Fault", "Record", "contents", "lay"]

_numbers = itertools.count()
# How many files a process of several may open.
_NUMBERS_OF_ONE = 1_000_000
# The index of a log is made anew from the log at each start: no state has it.
_INDEX = "-shm"
# SQLite syncs the folder with the first sync of these (``UNIXFILE_DIRSYNC``).
_SYNC_FOLDER = apsw.SQLITE_OPEN_MAIN_JOURNAL | apsw.SQLITE_OPEN_SUPER_JOURNAL | apsw.SQLITE_OPEN_WAL
_FULL, _CANNOT_BE_WRITTEN, _READ_ONLY = "the disk is full", "the disk cannot be written", "the disk is read-only"


class Fault(Enum):
    """What a disk answers instead of doing what it is asked."""

    FULL = "full"
    FAILED = "failed"
    READ_ONLY = "read-only"
    SHORT = "short"
    """Half of it is written, then the disk is full."""


_OF_SQLITE: dict[Fault, type[apsw.Error]] = {
    Fault.FULL: apsw.FullError,
    Fault.SHORT: apsw.FullError,
    Fault.FAILED: apsw.IOError,
    Fault.READ_ONLY: apsw.ReadOnlyError,
}
_OF_SYSTEM = {
    Fault.FULL: (errno.ENOSPC, _FULL),
    Fault.SHORT: (errno.ENOSPC, _FULL),
    Fault.FAILED: (errno.EIO, _CANNOT_BE_WRITTEN),
    Fault.READ_ONLY: (errno.EROFS, _READ_ONLY),
}


class Record(Protocol):
    """Takes what happens, in its order."""

    def append(self, event: Event, /) -> None:
        """That happened next."""


def contents(folder: Path) -> Files:
    """What lies in a folder and outlives a loss of power."""
    found = [folder / name for name in _names(folder)]
    return {path.name: (path.read_bytes().rstrip(b"\0"), path.stat().st_size) for path in found}


def _names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir() if path.is_file() and not path.name.endswith(_INDEX)]


def lay(files: Files, folder: Path) -> None:
    """Put files into a folder."""
    for name, (data, size) in files.items():
        with (folder / name).open("wb") as file:
            file.write(data)
            file.truncate(size)


class Disk(apsw.VFS):
    """While it is entered, what a store that is opened in a folder writes lies on it; what lies elsewhere does not."""

    def __init__(self, folder: Path, record: Record | None = None, *, process: int = 0) -> None:
        """``record`` takes what happens, for a Platter to follow later; without, the disk follows it.

        ``process``: which this is of several that use the folder, from 1 on; 0: nobody else does.
        """
        self._folder = folder
        self._name = f"disk-{next(_numbers)}"
        self._below = apsw.vfs_names()[0]
        super().__init__(self._name, self._below, makedefault=True)
        self._before = store_files.lie_on(_Beside(self))
        self.is_full = False
        self.capacity: int | None = None
        """How many octets the files in the folder may have together, whoever writes them."""
        self.is_broken = False
        """Does a sync fail?"""
        self.fault: Callable[[str, str], Fault | None] | None = None
        """Asked before anything is done: what (write, resize, sync, open, delete), and with which file. It may wait."""
        self.syncs = 0
        self.refusals = 0
        # To read all of it takes time that a record has no use for.
        there = contents(folder) if record is None else dict.fromkeys(_names(folder), (b"", 0))
        self.platter = Platter(there)
        """What has arrived, unless that is recorded."""
        self._happen: Callable[[Event], None] = self.platter.happen if record is None else record.append
        self._numbers = {name: number for number, name in enumerate(sorted(there), 1)}
        self._last = process * _NUMBERS_OF_ONE if process else len(there)
        self._is_shared = process > 0
        self.lock = threading.RLock()
        """Held from when something is done until it is noted: who holds it stands between two things that happen."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        store_files.lie_on(self._before)
        self.unregister()

    def has(self, path: str) -> bool:
        """Does a file lie on this disk?"""
        return Path(path).parent == self._folder

    def is_of(self, folder: str) -> bool:
        """Is that the folder whose files lie on this disk?"""
        return Path(folder) == self._folder

    # ------------------------------------------------------------------ what happens

    def happen(self, event: Event) -> None:
        """Something was done."""
        self._happen(event)

    def file(self, path: str, *, was_there: bool) -> int:
        """The number of a file that was just opened."""
        name = Path(path).name
        if self._is_shared and was_there:
            # What it is called by the process that made it, which may have made it anew, is not known here.
            self._last += 1
            self._numbers[name] = self._last
            self._happen(Found(name, self._last))
        elif not was_there or name not in self._numbers:
            self._last += 1
            self._numbers[name] = self._last
            self._happen(Made(name, self._last))
        return self._numbers[name]

    def deleted(self, path: str) -> None:
        """A file has no name any more."""
        name = Path(path).name
        if self._numbers.pop(name, None) is not None or self._is_shared:
            self._happen(Deleted(name))

    def renamed(self, path: str, to: str) -> None:
        """A file has another name."""
        name, new = Path(path).name, Path(to).name
        if name in self._numbers:
            self._numbers[new] = self._numbers.pop(name)
        elif not self._is_shared:
            return
        self._happen(Renamed(name, new))

    def answer(self, what: str, path: str, growth: int = 0) -> Fault | None:
        """What goes wrong with what is about to be done to a file; ``growth``: by how much it would be longer."""
        found = self.fault(what, Path(path).name) if self.fault is not None else None
        if found is None and what == "write" and self.is_full:
            found = Fault.FULL
        if found is None and growth > 0 and self.capacity is not None and growth > self.room:
            found = Fault.FULL
        if found is None and what == "sync" and self.is_broken:
            found = Fault.FAILED
        if found is not None:
            self.refusals += 1
        return found

    # ------------------------------------------------------------------ SQLite's files

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> apsw.VFSFile:  # noqa: N802
        path = name.filename() if isinstance(name, apsw.URIFilename) else name
        if path is None or not self.has(path):
            return apsw.VFSFile(self._below, name, flags)
        if (fault := self.answer("open", path)) is not None:
            raise apsw.CantOpenError(_OF_SYSTEM[fault][1])
        return _File(self, self._below, name, path, flags)

    def xDelete(self, filename: str, syncdir: bool) -> None:  # noqa: N802
        if not self.has(filename):
            super().xDelete(filename, syncdir)
            return
        if (fault := self.answer("delete", filename)) is not None:
            raise _OF_SQLITE[fault](_OF_SYSTEM[fault][1])
        with self.lock:
            super().xDelete(filename, syncdir)
            self.deleted(filename)
            if syncdir:
                self.happen(FolderSynced())

    # ------------------------------------------------------------------ for whoever looks

    @property
    def room(self) -> int:
        """How much fits on it."""
        assert self.capacity is not None
        return self.capacity - sum(file.stat().st_size for file in self._folder.iterdir())

    def lose_power(self, folder: Path) -> None:
        """What is left of what was synced, in another folder."""
        lay(self.platter.left(), folder)


class _File(apsw.VFSFile):
    """One of SQLite's files."""

    def __init__(
        self, disk: Disk, below: str, name: str | apsw.URIFilename | None, path: str, flags: list[int]
    ) -> None:
        self._disk = disk
        self._path = path
        with disk.lock:
            was_there = Path(path).exists()
            super().__init__(below, name, flags)
            self._number = disk.file(path, was_there=was_there)
        self._syncs_folder = bool(flags[0] & apsw.SQLITE_OPEN_CREATE and flags[0] & _SYNC_FOLDER)

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802
        disk = self._disk
        growth = offset + len(data) - self.xFileSize() if disk.capacity is not None else 0
        fault = disk.answer("write", self._path, growth)
        data = bytes(data)
        if fault is Fault.SHORT:
            data = data[: len(data) // 2]
        elif fault is not None:
            raise _OF_SQLITE[fault](_OF_SYSTEM[fault][1])
        with disk.lock:
            super().xWrite(data, offset)
            disk.happen(Written(self._number, offset, data))
        if fault is not None:
            raise _OF_SQLITE[fault](_OF_SYSTEM[fault][1])

    def xTruncate(self, newsize: int) -> None:  # noqa: N802
        if (fault := self._disk.answer("resize", self._path)) is not None:
            raise _OF_SQLITE[fault](_OF_SYSTEM[fault][1])
        with self._disk.lock:
            super().xTruncate(newsize)
            self._disk.happen(Resized(self._number, newsize))

    def xSync(self, flags: int) -> None:  # noqa: N802
        disk = self._disk
        if (fault := disk.answer("sync", self._path)) is not None:
            disk.happen(SyncFailed(self._number))
            raise _OF_SQLITE[fault](_OF_SYSTEM[fault][1])
        with disk.lock:
            disk.syncs += 1
            disk.happen(Synced(self._number))
            if self._syncs_folder:
                disk.happen(FolderSynced())
                self._syncs_folder = False


class _Beside(store_files.Files):
    """The files that the store writes itself."""

    def __init__(self, disk: Disk) -> None:
        super().__init__()
        self._disk = disk
        self._open: dict[int, tuple[str, int]] = {}
        self.write = self._write
        self.can_allocate = True

    def _look(self, what: str, path: str, growth: int = 0) -> None:
        if (fault := self._disk.answer(what, path, growth)) is not None:
            raise OSError(*_OF_SYSTEM[fault])

    def open(self, path: str, flags: int) -> int:
        disk = self._disk
        if not disk.has(path):
            return super().open(path, flags)
        self._look("open", path)
        with disk.lock:
            was_there = Path(path).exists()
            handle = super().open(path, flags)
            number = disk.file(path, was_there=was_there)
            self._open[handle] = (path, number)
            if was_there and flags & os.O_TRUNC:
                disk.happen(Resized(number, 0))
        return handle

    def close(self, handle: int) -> None:
        self._open.pop(handle, None)
        super().close(handle)

    def _write(self, handle: int, data: bytes, at: int) -> int:
        path, number = self._open.get(handle, ("", 0))
        if number:
            growth = at + len(data) - os.fstat(handle).st_size if self._disk.capacity is not None else 0
            fault = self._disk.answer("write", path, growth)
            if fault is Fault.SHORT:
                data = data[: len(data) // 2]
            elif fault is not None:
                raise OSError(*_OF_SYSTEM[fault])
        with self._disk.lock:
            written = os.pwrite(handle, data, at)
            if number:
                self._disk.happen(Written(number, at, data[:written]))
        return written

    def put(self, handle: int, data: bytes) -> int:
        at = os.lseek(handle, 0, os.SEEK_CUR)
        written = self._write(handle, data, at)
        os.lseek(handle, at + written, os.SEEK_SET)
        return written

    def sync(self, handle: int) -> None:
        path, number = self._open.get(handle, ("", 0))
        if number:
            try:
                self._look("sync", path)
            except OSError:
                self._disk.happen(SyncFailed(number))
                raise
        with self._disk.lock:
            super().sync(handle)
            if number:
                self._disk.happen(Synced(number))

    def sync_folder(self, path: str) -> None:
        is_ours = self._disk.is_of(path)
        if is_ours:
            self._look("sync", path)
        with self._disk.lock:
            super().sync_folder(path)
            if is_ours:
                self._disk.happen(FolderSynced())

    def allocate(self, handle: int, size: int) -> None:
        path, number = self._open.get(handle, ("", 0))
        if not number:
            super().allocate(handle, size)
            return
        growth = size - os.fstat(handle).st_size
        self._look("resize", path, growth)
        if growth > 0:
            with self._disk.lock:
                os.truncate(handle, size)
                self._disk.happen(Resized(number, size))

    def truncate(self, handle: int, size: int) -> None:
        path, number = self._open.get(handle, ("", 0))
        if number:
            self._look("truncate", path)
        with self._disk.lock:
            super().truncate(handle, size)
            if number:
                self._disk.happen(Resized(number, size))

    def delete(self, path: str) -> None:
        if self._disk.has(path):
            self._look("delete", path)
        with self._disk.lock:
            super().delete(path)
            if self._disk.has(path):
                self._disk.deleted(path)

    def rename(self, path: str, to: str) -> None:
        if self._disk.has(path):
            self._look("rename", path)
        with self._disk.lock:
            super().rename(path, to)
            if self._disk.has(path):
                self._disk.renamed(path, to)

    def room(self, path: str) -> tuple[int, int]:
        capacity = self._disk.capacity
        if capacity is None or not (self._disk.has(path) or self._disk.is_of(path)):
            return super().room(path)
        return max(self._disk.room, 0), capacity
