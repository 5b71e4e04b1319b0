"""Who has the file, as the processes themselves say: none begins while another lives that has it, or commits for it."""

from __future__ import annotations

import os
import struct
import time
from collections.abc import Callable
from pathlib import Path

from batonmq.engines.shared.roll import lives

__all__ = ["Owners"]

_NUMBER = struct.Struct("<Q")
# A process that is killed gives up its lock a moment before it is gone.
DYING_SECONDS = 5.0


class Owners:
    """A number in a file that all share: the process that has opened the store and has not closed it."""

    def __init__(self, file: Path, on_fault: Callable[[str], None]) -> None:
        self._file = os.open(file, os.O_RDWR | os.O_CREAT, 0o644)
        self._on_fault = on_fault

    @property
    def process(self) -> int:
        """0: none."""
        data = os.pread(self._file, _NUMBER.size, 0)
        return int(_NUMBER.unpack(data)[0]) if len(data) == _NUMBER.size else 0

    def begins(self) -> None:
        """This process has opened the file, and has changed nothing yet."""
        other, until = self.process, time.monotonic() + DYING_SECONDS
        while other and other != os.getpid() and lives(other):
            if time.monotonic() > until:
                self._on_fault(f"two owners: {os.getpid()} opens the file, which {other} has")
                break
            time.sleep(0.01)
        self._say(os.getpid())

    def commits(self) -> None:
        """This process is about to write."""
        if (owner := self.process) != os.getpid():
            self._on_fault(f"two owners: {os.getpid()} writes to the file, which {owner} has")

    def ends(self) -> None:
        """This process has closed the file."""
        if self.process == os.getpid():
            self._say(0)

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._file)

    def _say(self, process: int) -> None:
        os.pwrite(self._file, _NUMBER.pack(process), 0)
