"""The ack timeout: a message that a consumer has held for too long is taken back. Nothing else is affected.

A queue has one heap of deadlines and one timer. Nobody tells it of settlements, which keeps these quick: the entry of a
settled message is skipped when its time comes, or cleaned up earlier.
"""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING

from batonmq.broker.features.revoked import take_back
from batonmq.broker.model.consumer import Consumer
from batonmq.broker.model.scheduler import WORK
from batonmq.queued import HELD, QueuedMessage

if TYPE_CHECKING:
    from batonmq.broker.lanes.state import QueueState
    from batonmq.broker.model.timetable import Timer

# The timer fires no more often than this, so a message is taken back at most this much too late.
GRAIN_SECONDS = 0.01

# Deadline in monotonic seconds, number, message, its delivery count when it was handed out.
Entry = tuple[float, int, QueuedMessage, int]


class AckTimeouts:
    """The deliveries of one queue that must be settled in time."""

    __slots__ = ("_armed_for", "_compact_at", "_heap", "_number", "_renewed", "_timer", "queue")

    def __init__(self, queue: QueueState) -> None:
        self.queue = queue
        self._heap: list[Entry] = []
        self._number = 0
        self._compact_at = 1024
        # Deliveries with a new deadline, by row: the number of the valid entry, and the delivery count.
        self._renewed: dict[int, tuple[int, int]] = {}
        self._timer: Timer | None = None
        self._armed_for = 0.0

    def watch(self, queued: QueuedMessage, milliseconds: int) -> None:
        """Watch a delivered message that must be settled within that time."""
        self._push(queued, milliseconds / 1000)

    def _push(self, queued: QueuedMessage, seconds: float) -> int:
        heap = self._heap
        if len(heap) >= self._compact_at:
            heap[:] = [entry for entry in heap if self._counts(entry)]
            heapq.heapify(heap)
            numbers = {entry[1] for entry in heap}
            self._renewed = {row: renewed for row, renewed in self._renewed.items() if renewed[0] in numbers}
            self._compact_at = 2 * len(heap) + 1024
        deadline = self.queue.scheduler.clock.monotonic() + seconds
        self._number = number = self._number + 1
        heapq.heappush(heap, (deadline, number, queued, queued.returns))
        self._arm(deadline)
        return number

    def renew(self, queued: QueuedMessage, seconds: float) -> bool:
        """Set the deadline of a delivery to that many seconds from now; False: it is no longer held."""
        if queued.state != HELD:
            return False
        self._renewed[queued.row] = (self._push(queued, seconds), queued.returns)
        return True

    def _counts(self, entry: Entry) -> bool:
        _, number, queued, returns = entry
        if queued.state != HELD or queued.returns != returns:
            return False
        renewed = self._renewed.get(queued.row)
        return renewed is None or renewed[1] != returns or renewed[0] == number

    def work(self, most: int) -> int:
        """Take back late messages, looking at no more than ``most``; returns how many were looked at."""
        heap = self._heap
        now = self.queue.scheduler.clock.monotonic()
        done = 0
        late: list[QueuedMessage] = []
        while heap and heap[0][0] <= now and done < most:
            entry = heapq.heappop(heap)
            done += 1
            if self._counts(entry):
                late.append(entry[2])
        # Only now: while it is noted, the entry with the earlier deadline is ignored, even after it has passed.
        for queued in late:
            self._renewed.pop(queued.row, None)
        # In the order of the queue, as for any release.
        late.sort(key=lambda queued: queued.row)
        if late:
            self.queue.release([self._take_back(queued) for queued in late])
        if heap and not self.queue.deleted:
            if heap[0][0] <= now:
                self.queue.scheduler.soon(WORK, self.work)
                if self.queue.consumers.is_handing_over:
                    # Only when all of it is back does the next consumer get it, in its order.
                    return done
            else:
                self._arm(heap[0][0])
        self.queue.choose_active()
        return done

    def hurry(self, holder: Consumer) -> bool:
        """Have all that a consumer holds taken back as soon as possible; False: it holds nothing that is watched."""
        now = self.queue.scheduler.clock.monotonic()
        is_any = False
        heap = self._heap
        for at, (deadline, number, queued, returns) in enumerate(heap):
            if queued.holder is holder and self._counts(heap[at]):
                heap[at] = (min(deadline, now), number, queued, returns)
                is_any = True
        if is_any:
            heapq.heapify(heap)
            self.queue.scheduler.soon(WORK, self.work)
        return is_any

    def take_back_all(self, holder: Consumer) -> None:
        """Take back now all that a consumer holds, and whatever else is late."""
        if self.hurry(holder):
            self.work(len(self._heap))

    def _take_back(self, queued: QueuedMessage) -> QueuedMessage:
        """Put the message into another object. Its consumer keeps the old one, which has no effect any more."""
        holder = queued.holder
        consumer = holder if isinstance(holder, Consumer) else None
        heir = take_back(queued, self.queue, consumer)
        if consumer is not None:
            self.queue.consumers.fell_late(consumer)
        if holder is not None:
            holder.revoked(queued)
        return heir

    def stop(self) -> None:
        """Stop: the queue is deleted, or its broker closed."""
        self._heap.clear()
        self._renewed.clear()
        if self._timer is not None:
            self._timer.cancel()

    def _arm(self, deadline: float) -> None:
        if self._timer is not None:
            if self._armed_for <= deadline:
                return
            self._timer.cancel()
        self._armed_for = deadline
        seconds = max(deadline - self.queue.scheduler.clock.monotonic(), GRAIN_SECONDS)
        self._timer = self.queue.scheduler.timetable.after(seconds, self._fire)

    def _fire(self) -> None:
        self._timer = None
        self.queue.scheduler.soon(WORK, self.work)
