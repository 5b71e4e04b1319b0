"""The broker's budget of memory for messages that wait."""

from __future__ import annotations

from typing import Final

# The memory of a message beside its bytes: four objects and their places in lists, measured with tracemalloc.
OVERHEAD: Final = 560
# Every queue may keep this much in memory however little is left: dozens of small messages; where thousands of queues
# have used up half as much as the limit again in that way, one or two.
WINDOW_MIN: Final = 32 << 10
WINDOW_LEAST: Final = 2 << 10


class Memory:
    """The bytes in the windows of all lanes together; looked at once for each queue and turn, not for each message."""

    __slots__ = ("limit", "used", "window")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.used = 0
        # One queue alone takes at most half of the budget.
        self.window = limit // 2

    def resize(self, limit: int) -> None:
        """Another limit from now on; windows that have more shrink as they are looked at."""
        self.limit = limit
        self.window = limit // 2

    def use(self, size: int) -> None:
        """Count ``size`` more bytes as used; fewer if it is negative."""
        self.used += size

    def least(self, own: int) -> int:
        """How many bytes a window may have in any case; ``own``: how many of those in use are its own."""
        return WINDOW_MIN if self.used - own <= self.limit + self.limit // 2 else WINDOW_LEAST

    def share_of(self, own: int) -> int:
        """How many bytes a window may have as things stand; ``own``: how many of those in use are its own."""
        return min(self.window, max(self.least(own), self.limit - self.used + own))

    def most(self, own: int) -> int:
        """To how many bytes a window of ``own`` bytes, all of them counted, is to shrink if it has more."""
        if self.used <= self.limit:
            return self.window
        return max(self.least(own), own - (self.used - self.limit))
