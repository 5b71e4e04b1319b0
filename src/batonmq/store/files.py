"""File operations of a store, besides those of SQLite.

SQLite's files lie on a replaceable layer (its VFS); this is the other half of it. A simulated disk for tests and proofs
replaces both.
"""

from __future__ import annotations

import os
from collections.abc import Callable

__all__ = ["Files", "lie_on", "system"]


class Files:
    """The system's file operations. All raise OSError."""

    def __init__(self) -> None:
        self.write: Callable[[int, bytes, int], int] | None = getattr(os, "pwrite", None)
        """Write into an open file at an offset; returns how many bytes were written. None: there is no such call."""
        self.can_allocate = hasattr(os, "posix_fallocate")
        """Can space be reserved?"""

    def open(self, path: str, flags: int) -> int:
        """Open a file, or create one that only its owner may use."""
        return os.open(path, flags | getattr(os, "O_CLOEXEC", 0), 0o600)

    def close(self, handle: int) -> None:
        """Close a file."""
        os.close(handle)

    def put(self, handle: int, data: bytes) -> int:
        """Write at the current position of an open file; returns how many bytes were written."""
        return os.write(handle, data)

    def sync(self, handle: int) -> None:
        """Sync an open file to the disk."""
        os.fsync(handle)

    def sync_folder(self, path: str) -> None:
        """Sync the names of the files in a folder to the disk, if the system supports that."""
        if os.name == "posix":
            handle = os.open(path, os.O_RDONLY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)

    def allocate(self, handle: int, size: int) -> None:
        """Reserve space on the disk for the first ``size`` bytes."""
        os.posix_fallocate(handle, 0, size)

    def truncate(self, handle: int, size: int) -> None:
        """Truncate an open file."""
        os.ftruncate(handle, size)

    def delete(self, path: str) -> None:
        """Delete a file."""
        os.unlink(path)  # noqa: PTH108

    def rename(self, path: str, to: str) -> None:
        """Rename a file within its folder, replacing a file of that name."""
        os.replace(path, to)  # noqa: PTH105

    def room(self, path: str) -> tuple[int, int]:
        """The free and the total bytes of the disk with that file or folder. Raises AttributeError if unsupported."""
        found = os.statvfs(path)
        return found.f_bavail * found.f_frsize, found.f_blocks * found.f_frsize


_system = Files()


def system() -> Files:
    """The file operations for stores that are opened from now on."""
    return _system


def lie_on(files: Files) -> Files:
    """Set the file operations for stores that are opened from now on; returns the previous ones."""
    global _system
    before, _system = _system, files
    return before
