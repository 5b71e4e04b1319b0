"""File operations of a store, besides those of SQLite.

SQLite's files lie on a layer that can be exchanged (its VFS); this is the other half of it. A disk that tests and
proofs put under a store takes the place of both.
"""

from __future__ import annotations

import os
from collections.abc import Callable

__all__ = ["Files", "lie_on", "system"]


class Files:
    """The system's. Each verb raises OSError."""

    def __init__(self) -> None:
        self.write: Callable[[int, bytes, int], int] | None = getattr(os, "pwrite", None)
        """Write into an open file at an offset; returns how many bytes were written. None: there is no such call."""
        self.can_allocate = hasattr(os, "posix_fallocate")
        """Can room be reserved?"""

    def open(self, path: str, flags: int) -> int:
        """Open a file, or make one that only its owner may use."""
        return os.open(path, flags | getattr(os, "O_CLOEXEC", 0), 0o600)

    def close(self, handle: int) -> None:
        """Let go of an open file."""
        os.close(handle)

    def put(self, handle: int, data: bytes) -> int:
        """Write on in an open file; returns how many bytes were written."""
        return os.write(handle, data)

    def sync(self, handle: int) -> None:
        """Have the disk hold all that was written to an open file."""
        os.fsync(handle)

    def sync_folder(self, path: str) -> None:
        """Have the disk hold the names of the files in a folder, where the system knows of such a thing."""
        if os.name == "posix":
            handle = os.open(path, os.O_RDONLY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)

    def allocate(self, handle: int, size: int) -> None:
        """Have the disk keep room for the first ``size`` bytes."""
        os.posix_fallocate(handle, 0, size)

    def truncate(self, handle: int, size: int) -> None:
        """Cut an open file."""
        os.ftruncate(handle, size)

    def delete(self, path: str) -> None:
        """Delete a file."""
        os.unlink(path)  # noqa: PTH108

    def rename(self, path: str, to: str) -> None:
        """Give a file another name in its folder, in the place of what has it."""
        os.replace(path, to)  # noqa: PTH105

    def room(self, path: str) -> tuple[int, int]:
        """How many bytes are free on the disk of that file or folder, and how many it has. Raises AttributeError."""
        found = os.statvfs(path)
        return found.f_bavail * found.f_frsize, found.f_blocks * found.f_frsize


_system = Files()


def system() -> Files:
    """What stores that are opened from now on use."""
    return _system


def lie_on(files: Files) -> Files:
    """Put another disk under the stores that are opened from now on; returns the one before."""
    global _system
    before, _system = _system, files
    return before
