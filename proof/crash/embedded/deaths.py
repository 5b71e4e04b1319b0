"""Who is about to die, as the processes themselves say: until they are gone, nobody knows who had what."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

__all__ = ["Deaths"]


class Deaths:
    """A file that all share, with the names of those who were about to be killed by what they do."""

    def __init__(self, file: Path) -> None:
        self._file = os.open(file, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        self._read = 0
        self._dying: set[str] = set()

    def announce(self, name: str) -> None:
        """Whoever has that name is about to die."""
        os.write(self._file, f"{name}\n".encode())

    def under_way(self, living: Iterable[str]) -> set[str]:
        """Those of the living who are. Who was killed by somebody else meanwhile is gone, too."""
        said = os.pread(self._file, os.fstat(self._file).st_size - self._read, self._read)
        self._read += len(said)
        self._dying = (self._dying | set(said.decode().split())) & set(living)
        return self._dying

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._file)
