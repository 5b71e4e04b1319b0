"""The broker's memory budget for waiting messages."""

from __future__ import annotations

from typing import Final

# The memory of a message beside its bytes: four objects and their places in lists, measured with tracemalloc.
OVERHEAD: Final = 560
# Every queue may keep this much in memory, however little is left: dozens of small messages. It is one or two messages
# once thousands of queues have exceeded the limit by half in this way.
WINDOW_MIN: Final = 32 << 10
WINDOW_LEAST: Final = 2 << 10


class Memory:
    """The bytes in the windows of all lanes together; updated once per queue and turn, not per message."""

    __slots__ = ("limit", "used", "window")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.used = 0
        # One queue alone takes at most half of the budget.
        self.window = limit // 2

    def resize(self, limit: int) -> None:
        """Change the limit; larger windows shrink when they are next checked."""
        self.limit = limit
        self.window = limit // 2

    def use(self, size: int) -> None:
        """Count ``size`` more bytes as used; a negative ``size`` counts fewer."""
        self.used += size

    def least(self, own: int) -> int:
        """How many bytes a window may have in any case; ``own``: how many of those in use are its own."""
        return WINDOW_MIN if self.used - own <= self.limit + self.limit // 2 else WINDOW_LEAST

    def share_of(self, own: int) -> int:
        """How many bytes a window may have at present; ``own``: how many of those in use are its own."""
        return min(self.window, max(self.least(own), self.limit - self.used + own))

    def most(self, own: int) -> int:
        """The most bytes that a window of ``own`` bytes, all counted, may keep: a larger one has to shrink to it."""
        if self.used <= self.limit:
            return self.window
        return max(self.least(own), own - (self.used - self.limit))
