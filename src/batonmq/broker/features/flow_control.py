"""Keeps publishers and consumers in step while both are active.

A backlog that only grows because the publisher's socket is read more often than the consumers' acknowledgements costs
everybody: memory, then the disk. So a publisher whose queue has consumers that keep taking is read a little later,
until they have caught up. Consumers that are slow by nature do not slow a publisher down: that is what a queue is for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from batonmq.broker.lanes.state import QueueState

# Fewer messages than this are no backlog.
BEHIND: Final = 2_048
# Consumers are active if they have taken this many messages since the last check, at least this many seconds ago.
TAKEN: Final = 256
LOOK_SECONDS: Final = 0.02
# Inactive consumers are checked again after this many seconds.
PATIENCE = 1.0


class FlowControl:
    """Returns whether the consumers of a queue are behind but keep taking messages."""

    __slots__ = ("_at_work", "_handed", "_look_at")

    def __init__(self) -> None:
        self._handed = 0
        self._look_at = 0.0
        self._at_work = True

    def is_behind(self, queue: QueueState) -> bool:
        """Would it help to read from the queue's publisher a millisecond later?"""
        lane = queue.lane
        if len(lane.ready) < BEHIND or not queue.consumers:
            return False
        now = queue.scheduler.clock.monotonic()
        if now >= self._look_at:
            self._at_work = lane.handed - self._handed >= TAKEN
            self._handed = lane.handed
            self._look_at = now + (LOOK_SECONDS if self._at_work else PATIENCE)
        return self._at_work
