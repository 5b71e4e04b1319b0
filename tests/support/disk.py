"""A disk that can be full, fail to sync, and lose power: SQLite's files, and what of them has reached the platter.

It is a layer between SQLite and the file system (an SQLite VFS), so that the store under test is the one that runs
everywhere. What was written and not synced is lost with the power. So is, for good, what a sync that failed should have
taken to the disk: the kernel takes it for clean afterwards, and no later sync writes it (fsync(2), and what became
known as "fsyncgate" in 2018).
"""

from __future__ import annotations

import itertools
from pathlib import Path
from types import TracebackType
from typing import Self

import apsw

_numbers = itertools.count()


class Disk(apsw.VFS):
    """While it is entered, the SQLite files that are opened in a folder lie on it; those elsewhere do not."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._name = f"disk-{next(_numbers)}"
        self._below = apsw.vfs_names()[0]
        super().__init__(self._name, self._below, makedefault=True)
        self.is_full = False
        self.capacity: int | None = None
        """How many octets the files in the folder may have together, whoever writes them."""
        self.is_broken = False
        """Does a sync fail?"""
        self.syncs = 0
        self.refusals = 0
        self._platter: dict[str, bytearray] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.unregister()

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> apsw.VFSFile:  # noqa: N802
        path = name.filename() if isinstance(name, apsw.URIFilename) else name
        if path is None or Path(path).parent != self._folder:
            return apsw.VFSFile(self._below, name, flags)
        return _File(self, self._below, name, flags, self._platter.setdefault(Path(path).name, bytearray()))

    def xDelete(self, filename: str, syncdir: bool) -> None:  # noqa: N802
        super().xDelete(filename, syncdir)
        if Path(filename).parent == self._folder:
            self._platter.pop(Path(filename).name, None)

    @property
    def room(self) -> int:
        """How much fits on it."""
        assert self.capacity is not None
        return self.capacity - sum(file.stat().st_size for file in self._folder.iterdir())

    def lose_power(self, folder: Path) -> None:
        """What is left when the power comes back, in another folder."""
        for name, content in self._platter.items():
            (folder / name).write_bytes(content)


class _File(apsw.VFSFile):
    """One of SQLite's files; what was written since the last sync is remembered."""

    def __init__(
        self, disk: Disk, below: str, name: str | apsw.URIFilename | None, flags: list[int], platter: bytearray
    ) -> None:
        super().__init__(below, name, flags)
        self._disk = disk
        self._platter = platter
        # Offset and bytes; None in their place where the file was cut there.
        self._unsynced: list[tuple[int, bytes | None]] = []

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802
        if self._disk.is_full:
            self._disk.refusals += 1
            raise apsw.FullError("the disk is full")
        if self._disk.capacity is not None:
            growth = offset + len(data) - self.xFileSize()
            if growth > 0 and growth > self._disk.room:
                self._disk.refusals += 1
                raise apsw.FullError("the disk is full")
        super().xWrite(data, offset)
        self._unsynced.append((offset, bytes(data)))

    def xTruncate(self, newsize: int) -> None:  # noqa: N802
        super().xTruncate(newsize)
        self._unsynced.append((newsize, None))

    def xSync(self, flags: int) -> None:  # noqa: N802
        unsynced, self._unsynced = self._unsynced, []
        if self._disk.is_broken:
            self._disk.refusals += 1
            raise apsw.IOError("the disk cannot be written")
        self._disk.syncs += 1
        for offset, data in unsynced:
            if data is None:
                del self._platter[offset:]
            else:
                if len(self._platter) < offset:
                    self._platter.extend(bytes(offset - len(self._platter)))
                self._platter[offset : offset + len(data)] = data
