"""One first-in-first-out run of messages: a window of its head in memory, the rest in the store.

    handed ........ window (ready) ........ horizon ........ in the store only (paged) ........ next_row

Positions only grow. Every message in the window lies at or before the horizon, every paged one after it; what a
consumer held comes back at its old place, which is always at or before the horizon. A queue has one lane, and one for
each priority in use if it was declared with priorities.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from batonmq.broker.deadletter import counted
from batonmq.message import GONE, IN_MEMORY, SPILLED, QueuedMessage
from batonmq.store.interface import POSITION_BITS, POSITION_MASK

if TYPE_CHECKING:
    from batonmq.broker.queue import Queue
    from batonmq.store.interface import LaneRecord, Store, StoredMessage

# What a message costs in memory beside its bytes: four objects and their places in lists, measured with tracemalloc.
OVERHEAD = 560
# A read from the store takes about 2 us a message: this many keep the loop below 2 ms.
READ_MESSAGES = 1_000
READ_BYTES = 4 << 20


class Lane:
    """See the module."""

    __slots__ = (
        "bytes",
        "counted",
        "first_row",
        "gone",
        "handed",
        "horizon",
        "lane_id",
        "last_row",
        "next_row",
        "paged",
        "paged_bytes",
        "priority",
        "queue",
        "ready",
        "spilled",
        "store",
        "window",
    )

    def __init__(self, queue: Queue, store: Store, lane_id: int, priority: int, window: int) -> None:
        self.queue = queue
        self.store = store
        self.lane_id = lane_id
        self.priority = priority
        self.first_row = lane_id << POSITION_BITS
        self.last_row = self.first_row | POSITION_MASK
        self.next_row = self.first_row + 1
        self.ready: deque[QueuedMessage] = deque()
        # Entries of ``ready`` that left from the middle and are only still to be skipped.
        self.gone = 0
        # Bytes of the window, and how many of them the broker's budget knows of.
        self.bytes = 0
        self.counted = 0
        # The window takes so many bytes; what comes beyond is left to the store.
        self.window = window
        self.paged = 0
        self.paged_bytes = 0
        # Did a transient message ever go to the store?
        self.spilled = False
        self.horizon = self.first_row
        self.handed = self.first_row

    @property
    def waiting(self) -> int:
        """How many messages are ready, wherever they are."""
        return len(self.ready) - self.gone + self.paged

    def restore(self, record: LaneRecord) -> None:
        """Take over what the store found: all of it is paged at first."""
        self.paged = record.waiting
        self.paged_bytes = record.waiting_bytes
        self.next_row = max(record.last_row, self.first_row) + 1

    def append(self, queued: QueuedMessage) -> None:
        """At the tail: into the window, or left to the store when messages wait there already."""
        if self.paged:
            self._page_out(queued)
        else:
            self.ready.append(queued)
            self.horizon = queued.row
            self.bytes += queued.message.size + OVERHEAD

    def _page_out(self, queued: QueuedMessage) -> None:
        self.paged += 1
        self.paged_bytes += queued.message.size
        # This object is no longer the message's: a read makes another.
        queued.state = GONE
        if queued.stored == IN_MEMORY:
            self.spilled = True
            queued.stored = SPILLED
            self.store.insert(queued)
        if queued.expires_at:
            self.queue.expiry.watch_paged(queued.expires_at)

    def unpage(self, queued: QueuedMessage | StoredMessage) -> None:
        """A message that is only in the store leaves it."""
        self.paged -= 1
        self.paged_bytes -= queued.message.size

    def put_back(self, queued: QueuedMessage) -> None:
        """To its old place."""
        ready = self.ready
        row = queued.row
        self.bytes += queued.message.size + OVERHEAD
        if not ready or ready[0].row > row:
            ready.appendleft(queued)
        elif ready[-1].row < row:
            ready.append(queued)
        else:
            ready.insert(_place(ready, row), queued)
        self.horizon = max(self.horizon, row)

    def pop(self) -> QueuedMessage | None:
        """The next message; None when the window is empty."""
        ready = self.ready
        while ready:
            queued = ready.popleft()
            if queued.state == GONE:
                self.gone -= 1
                continue
            self.bytes -= queued.message.size + OVERHEAD
            self.handed = max(self.handed, queued.row)
            return queued
        return None

    def take_out(self, queued: QueuedMessage) -> None:
        """A ready message leaves from the middle: a mark now, skipped later."""
        queued.state = GONE
        self.bytes -= queued.message.size + OVERHEAD
        self.gone += 1
        ready = self.ready
        if self.gone > 64 and self.gone * 2 > len(ready):
            self.ready = deque(entry for entry in ready if entry.state != GONE)
            self.gone = 0

    def wants_refill(self) -> bool:
        """Is the window short, while more waits in the store?"""
        return self.paged > 0 and (len(self.ready) < READ_MESSAGES // 2)

    def refill(self) -> None:
        """Read on from the store; never while it commits. Raises StoreError."""
        found = self.store.read(self.horizon, self.last_row, READ_MESSAGES, READ_BYTES)
        append = self.ready.append
        size = 0
        for stored in found:
            message = stored.message
            if stored.deliveries and self.queue.settings.delivery_limit is not None:
                message = counted(message, stored.deliveries)
            queued = QueuedMessage(message, self, stored.row)
            queued.stored = stored.stored
            queued.deliveries = stored.deliveries
            queued.expires_at = stored.expires_at
            size += message.size + OVERHEAD
            append(queued)
            if stored.expires_at:
                self.queue.expiry.watch(queued)
        self.bytes += size
        if found:
            self.paged -= len(found)
            self.paged_bytes -= size - OVERHEAD * len(found)
            self.horizon = found[-1].row
        if len(found) < READ_MESSAGES and (not found or self.horizon == self.next_row - 1):
            # The count after an unclean end is the store's own; whatever it was, nothing more is there.
            self.paged = self.paged_bytes = 0

    def shrink(self, most: int) -> None:
        """Leave the tail of the window to the store until at most so many bytes are left.

        Only what lies after everything that was handed out: a read must not find what a consumer holds.
        """
        ready = self.ready
        while self.bytes > most and len(ready) > 1 and ready[-1].row > self.handed:
            queued = ready.pop()
            if queued.state == GONE:
                self.gone -= 1
                continue
            self.bytes -= queued.message.size + OVERHEAD
            self._page_out(queued)
        self.horizon = max(ready[-1].row, self.handed) if ready else self.handed

    def clear(self) -> int:
        """Drop everything that is ready; tell how many messages that was."""
        count = self.waiting
        for queued in self.ready:
            if queued.state != GONE:
                queued.state = GONE
                if queued.stored:
                    self.store.delete(queued)
        if self.paged:
            self.store.drop_rows(self.horizon + 1, self.next_row)
        self.ready.clear()
        self.bytes = self.gone = self.paged = self.paged_bytes = 0
        self.horizon = self.next_row - 1
        return count


def _place(ready: deque[QueuedMessage], row: int) -> int:
    """Where a row belongs in a sorted deque; comes back mostly near the head."""
    for index, queued in enumerate(ready):
        if queued.row > row:
            return index
    return len(ready)
