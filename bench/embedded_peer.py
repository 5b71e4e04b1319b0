"""What a queue in a file has to do to be measured."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import ClassVar

__all__ = ["BATCH", "FULL", "Peer"]

BATCH = 100
# SQLite's `PRAGMA synchronous`: a commit waits for the disk from this level on.
FULL = 2


class Peer(ABC):
    """A queue in a file; processes that open the same folder share it."""

    name: ClassVar[str]
    settles: ClassVar[str] = "after work"
    """When a message is gone: once the work is done, or at the moment of receiving, where a crash loses it."""
    shared: ClassVar[bool] = True
    """Whether several processes may use one file."""

    @abstractmethod
    def __init__(self, folder: Path) -> None:
        """Open the queue; make it where it is not."""

    @abstractmethod
    def send(self) -> None:
        """One message."""

    @abstractmethod
    def take(self) -> bool:
        """Receive one and settle it; false when there is none, now or within a moment."""

    def one(self) -> None:
        """Send, receive and settle one message."""
        self.send()
        while not self.take():
            pass

    def batch(self) -> None:
        """The same for a hundred; one after the other where there are no batches."""
        for _ in range(BATCH):
            self.one()

    @abstractmethod
    def synchronous(self) -> int:
        """The level of SQLite's `PRAGMA synchronous` on the connection that sends."""

    @abstractmethod
    def close(self) -> None:
        """Let go."""
