"""The progress of a shovel: written in its thread, and read in any."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace

__all__ = ["Counts", "Progress"]


@dataclass(frozen=True, slots=True)
class Counts:
    """The counts of a shovel since it was last started."""

    forwarded: int = 0
    """Messages that the other side has confirmed."""
    forwarded_bytes: int = 0
    """The bytes of their bodies."""
    pending: int = 0
    """Messages that have arrived and are not confirmed."""
    set_aside: int = 0
    """Messages that could not be moved, and are among the dead letters."""
    remaining: int | None = None
    """How many messages are left until it ends; None: it does not end."""
    blocked: str = ""
    """Why the other side takes nothing now; "": it takes messages."""


class Progress:
    """The counts of one shovel."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._counts = Counts()
        self.total = 0
        """Messages that were confirmed, however often it was started."""
        self.aside = 0
        """Messages that were set aside, however often it was started."""

    @property
    def counts(self) -> Counts:
        """The current counts."""
        return self._counts

    def begin(self, remaining: int | None) -> None:
        """Start over: the shovel was started."""
        self._counts = Counts(remaining=remaining)

    def arrived(self, number: int) -> None:
        """Count messages that have arrived."""
        self._change(pending=number)

    def moved(self, number: int, octets: int) -> None:
        """Count messages that were confirmed and accepted."""
        self.total += number
        was = self._counts
        self._change(
            forwarded=was.forwarded + number,
            forwarded_bytes=was.forwarded_bytes + octets,
            pending=max(0, was.pending - number),
            blocked="",
        )

    def set_aside(self) -> None:
        """Count a message that went to the dead letters."""
        self.aside += 1
        was = self._counts
        self._change(set_aside=was.set_aside + 1, pending=max(0, was.pending - 1))

    def left(self, remaining: int | None) -> None:
        """Set how many remain to be moved."""
        self._change(remaining=remaining, pending=0)

    def blocked(self, reason: str) -> None:
        """Note that the other side takes nothing."""
        self._change(blocked=reason)

    def unblocked(self) -> None:
        """Note that it takes messages again."""
        if self._counts.blocked:
            self._change(blocked="")

    def _change(self, **changes: object) -> None:
        with self._guard:
            self._counts = replace(self._counts, **changes)  # type: ignore[arg-type]  # names of its fields
