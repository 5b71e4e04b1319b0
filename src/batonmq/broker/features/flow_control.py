"""Keeping publishers and consumers in step where both are at work.

A backlog that only grows because the publisher's socket is read more often than the consumers' acknowledgements costs
everybody: memory, then the disk. So a publisher whose queue has consumers that keep taking is read a little later,
until they have caught up. Consumers that are slow by nature do not slow a publisher down: that is what a queue is for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from weakref import proxy

if TYPE_CHECKING:
    from batonmq.broker.lanes.state import QueueState

# A backlog below this is no backlog.
BEHIND = 2_048
# How much they must have taken since the last look, that many seconds ago or more, to count as being at work.
TAKEN = 256
LOOK_SECONDS = 0.02
# Those that did not are given that long before they are looked at again.
PATIENCE = 1.0


class FlowControl:
    """Tells whether the consumers of a queue are behind but keep taking messages."""

    __slots__ = ("_at_work", "_handed", "_look_at", "_queue")

    def __init__(self, queue: QueueState) -> None:
        # No cycle: a queue that is deleted is not to wait for the collector.
        self._queue = proxy(queue)
        self._handed = 0
        self._look_at = 0.0
        self._at_work = True

    def is_behind(self) -> bool:
        """Would waiting a millisecond help?"""
        queue = self._queue
        lane = queue.lane
        if len(lane.ready) < BEHIND or not queue.consumers:
            return False
        now = queue.scheduler.clock.monotonic()
        if now >= self._look_at:
            self._at_work = lane.handed - self._handed >= TAKEN
            self._handed = lane.handed
            self._look_at = now + (LOOK_SECONDS if self._at_work else PATIENCE)
        return self._at_work
