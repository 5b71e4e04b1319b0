"""The broker's budget of memory for messages that wait."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from batonmq.broker.lanes.lane import Lane

# What a message costs in memory beside its bytes: four objects and their places in lists, measured with tracemalloc.
OVERHEAD = 560
# What every queue may keep in memory however little is left: some dozens of small messages; where thousands of queues
# have used up half as much as the limit again in that way, one or two.
WINDOW_MIN = 32 << 10
WINDOW_LEAST = 2 << 10


class Memory:
    """Bytes of all windows together. Looked at once a turn and queue, not at every message."""

    __slots__ = ("limit", "used", "window")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.used = 0
        # One queue alone takes at most half of the budget.
        self.window = limit // 2

    def least(self, own: int) -> int:
        """How many bytes a window may have in any case; ``own``: how many of those in use are its own."""
        return WINDOW_MIN if self.used - own <= self.limit + self.limit // 2 else WINDOW_LEAST

    def share_of(self, lane: Lane) -> int:
        """How many bytes the lane's window may have as things stand."""
        return min(self.window, max(self.least(lane.counted), self.limit - self.used + lane.counted))

    def account(self, lane: Lane) -> None:
        """Take note of how much a lane's window has grown or shrunk, and leave its tail to the store if it must be."""
        self.used += lane.bytes - lane.counted
        lane.counted = lane.bytes
        if not lane.store.pages:
            return
        most = self.window
        if self.used > self.limit:
            most = max(self.least(lane.counted), lane.bytes - (self.used - self.limit))
        if lane.bytes > most:
            lane.shrink(most)
            self.used += lane.bytes - lane.counted
            lane.counted = lane.bytes
