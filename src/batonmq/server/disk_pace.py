"""Whether the disk is so fast that the loop may wait for it, by how long the last brief commits took."""

from __future__ import annotations

__all__ = ["FAST", "PATIENCE", "SLOW", "DiskPace"]

# A commit takes this long at most where a thread for it does not pay: handing over to one and hearing of it takes the
# loop and the kernel some 50 us.
FAST = 0.000_3
# One that takes longer than this may have held up others. It is the last on the loop for so many seconds.
SLOW = 0.002
PATIENCE = 1.0
# What one commit weighs among those before it.
WEIGHT = 1 / 8


class DiskPace:
    """The pace of one disk. Times are in seconds; a disk is slow until it has been seen."""

    __slots__ = ("_slow_until", "_usual")

    def __init__(self) -> None:
        self._usual = SLOW
        self._slow_until = 0.0

    def note(self, seconds: float, now: float) -> None:
        """A brief commit took so long."""
        if seconds > SLOW:
            self._slow_until = now + PATIENCE
            seconds = SLOW
        self._usual += (seconds - self._usual) * WEIGHT

    def is_fast(self, now: float) -> bool:
        """Is a brief commit likely to take no longer than ``FAST``, and has none been slow for ``PATIENCE``?"""
        return self._usual <= FAST and now >= self._slow_until
