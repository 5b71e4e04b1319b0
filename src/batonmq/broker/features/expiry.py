"""Time to live: an expired message leaves the queue, wherever it stands.

Messages in memory are in a heap by expiry time; paged ones are found by an index of the store. A queue has at most one
timer.
"""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING, Final

from batonmq.broker.model.scheduler import EXPIRE
from batonmq.queued import READY, QueuedMessage

if TYPE_CHECKING:
    from batonmq.broker.lanes.lane import Lane
    from batonmq.broker.lanes.state import QueueState
    from batonmq.broker.model.timetable import Timer
    from batonmq.message import Message

# A time to live of 0: the message goes to a consumer that waits now, or expires.
NOW_OR_NEVER: Final = 1
# At most this many messages expire in one go, so that a million of them do not hold up the loop.
SLICE: Final = 1_000


class Expiry:
    """A queue's messages that have a time limit."""

    __slots__ = (
        "_armed_for",
        "_compact_at",
        "_heap",
        "_paged_next",
        "_queue",
        "_scheduler",
        "_timer",
        "_watched",
        "watching",
    )

    def __init__(self, queue: QueueState) -> None:
        # None: it is deleted. The reference would be a cycle.
        self._queue: QueueState | None = queue
        self._scheduler = queue.scheduler
        # Time and row, each row once; and by row the message's current object, which changes when the message is read
        # again from the store, or comes back from a consumer.
        self._heap: list[tuple[int, int]] = []
        self._watched: dict[int, QueuedMessage] = {}
        # Entries of messages that left before their time stay in the heap; beyond this length it is cleaned.
        self._compact_at = 1024
        self._timer: Timer | None = None
        self._armed_for = 0
        # When the next paged message expires, or might.
        self._paged_next = 0
        # Is there anything with a time limit?
        self.watching = False

    def _now(self) -> int:
        return self._scheduler.now()

    def time_of(self, message: Message, ttl: int | None) -> int:
        """When a message that enters the queue now expires: the shorter of its own time and its queue's; 0: never."""
        own = message.properties.expiration
        if own is not None:
            ttl = int(own) if ttl is None else min(ttl, int(own))
        if ttl is None:
            return 0
        return self._now() + ttl if ttl else NOW_OR_NEVER

    def watch(self, queued: QueuedMessage) -> None:
        """Watch a message with a time to live that is in the window."""
        heap = self._heap
        if len(heap) >= self._compact_at:
            self._watched = {row: known for row, known in self._watched.items() if known.state == READY}
            heap[:] = [(known.expires_at, row) for row, known in self._watched.items()]
            heapq.heapify(heap)
            self._compact_at = 2 * len(heap) + 1024
        if queued.row not in self._watched:
            heapq.heappush(heap, (queued.expires_at, queued.row))
        self._watched[queued.row] = queued
        self.watching = True
        self._arm(queued.expires_at)

    def watch_paged(self, expires_at: int) -> None:
        """Watch a message with a time to live that was paged out."""
        if not self._paged_next or expires_at < self._paged_next:
            self._paged_next = expires_at
        self.watching = True
        self._arm(expires_at)

    def is_over(self, queued: QueuedMessage) -> bool:
        """Has the message expired?"""
        return queued.expires_at <= self._now()

    def expire(self) -> None:
        """Drop all expired messages in memory."""
        queue = self._queue
        if queue is None:
            return
        now = self._now()
        heap = self._heap
        left = SLICE
        while heap and heap[0][0] <= now and left:
            left -= 1
            queued = self._watched.pop(heapq.heappop(heap)[1])
            if queued.state == READY:
                lane = queue.lane_at(queued.row)
                assert lane is not None
                lane.take_out(queued)
                queue.discard(queued, "expired")
        if self._paged_next and self._paged_next <= now:
            self.look_at_paged()
            self._paged_next = 0
        self.watching = bool(heap or self._paged_next)
        if heap:
            self._arm(heap[0][0])
        if self._paged_next:
            self._arm(self._paged_next)

    def look_at_paged(self) -> None:
        """Look for expired messages in the store as soon as it is free."""
        queue = self._queue
        if queue is not None and any(lane.paged for lane in queue.lanes):
            self._scheduler.soon(EXPIRE, self.expire_paged)

    def expire_paged(self) -> None:
        """Drop the expired messages that are only in the store; called when it is free. Raises StoreError."""
        queue = self._queue
        if queue is None or queue.fault:
            return
        for lane in list(queue.lanes):
            if lane.paged:
                self._expire_paged(queue, lane)

    def _expire_paged(self, queue: QueueState, lane: Lane) -> None:
        dropped = 0
        for stored in lane.store.expired(lane.horizon, lane.last_row, self._now(), SLICE):
            if stored.row in lane.held:
                continue
            dropped += 1
            queued = QueuedMessage(stored.message, lane.queue, stored.row, stored.stored)
            lane.unpage(stored)
            queue.discard(queued, "expired")
        following = lane.store.next_expiry(lane.horizon, lane.last_row)
        if following:
            # Expired messages that a consumer holds, or that cannot be read, are found each time: once a second will
            # do.
            self.watch_paged(following if dropped else max(following, self._now() + 1_000))

    def stop(self) -> None:
        """Stop: the queue is deleted, or its broker closed."""
        self._queue = None
        self._heap.clear()
        self._watched.clear()
        self._paged_next = 0
        self.watching = False
        if self._timer is not None:
            self._timer.cancel()

    def _arm(self, expires_at: int) -> None:
        if self._armed_for and self._armed_for <= expires_at:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._armed_for = expires_at
        seconds = max(expires_at - self._now(), 0) / 1000
        self._timer = self._scheduler.timetable.after(seconds, self._fire)

    def _fire(self) -> None:
        self._armed_for = 0
        self._timer = None
        if self._queue is not None:
            self._queue.touch()
