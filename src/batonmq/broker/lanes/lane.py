"""One first-in-first-out run of messages: a window of its head in memory, the rest in the store.

    handed ........ window (ready) ........ horizon ........ in the store only (paged) ........ next_row

Positions only grow. Every message in the window lies at or before the horizon, every paged one after it; what a
consumer held comes back at its old place, which is at or before the horizon unless a choosy consumer took it out of the
middle (``held``). A queue has one lane, and one for
each priority in use if it was declared with priorities.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from operator import attrgetter
from typing import TYPE_CHECKING

from batonmq.broker.lanes.refilling import revive
from batonmq.broker.model.memory import OVERHEAD
from batonmq.message import DURABLE, GONE, HELD, IN_MEMORY, READY, SPILLED, Message, QueuedMessage
from batonmq.properties import EMPTY
from batonmq.store.interface import POSITION_BITS, POSITION_MASK, StoredMessage

if TYPE_CHECKING:
    from batonmq.broker.queues.queue import Queue
    from batonmq.store.interface import LaneRecord, Store

# Stands in the window where a message was taken out of the middle.
NO_MESSAGE = Message("", "", EMPTY, b"")

row_of = attrgetter("row")


class Lane:
    """See the module."""

    __slots__ = (
        "bytes",
        "changed_in",
        "cleared_to",
        "counted",
        "first_row",
        "gone",
        "handed",
        "held",
        "horizon",
        "is_recounted",
        "lane_id",
        "last_row",
        "next_does_not_fit",
        "next_row",
        "paged",
        "paged_bytes",
        "priority",
        "queue",
        "ready",
        "settled_at",
        "store",
    )

    def __init__(self, queue: Queue, store: Store, lane_id: int, priority: int) -> None:
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
        self.paged = 0
        self.paged_bytes = 0
        # Is the next message in the store too large to be read while any is at hand?
        self.next_does_not_fit = False
        # Has a batch failed of whose messages some were left to the store alone? Only reading on tells the count.
        self.is_recounted = False
        self.horizon = self.first_row
        self.handed = self.first_row
        # What choosy consumers took out of the middle, by row: it may lie beyond the horizon, where a read of the store
        # finds it and skips it. Those that were settled are forgotten when there are this many.
        self.held: dict[int, QueuedMessage] = {}
        self.settled_at = 1_024
        # Rows up to this one may still be swept away by the store: nothing new is to stand there.
        self.cleared_to = 0
        # The last batch of the store that takes messages out of what is paged, or puts them anywhere but at its tail.
        # Until it is committed, what is committed is not to be believed.
        self.changed_in = 0

    def remains(self) -> Lane:
        """Of a queue that is deleted: as empty, and of no queue."""
        remains = Lane(self.queue, self.store, self.lane_id, self.priority)
        del remains.queue
        return remains

    @property
    def waiting(self) -> int:
        """How many messages are ready, wherever they are."""
        return len(self.ready) - self.gone + self.paged

    def survivors(self) -> tuple[int, int] | None:
        """How many ready messages outlive a restart, and the bytes of their bodies; None: only the store knows."""
        if self.queue.spilled:
            return None
        count = size = 0
        for queued in self.ready:
            if queued.state != GONE and queued.stored == DURABLE:
                count += 1
                size += queued.message.size
        return count + self.paged, size + self.paged_bytes

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
            self.queue.spilled = True
            queued.stored = SPILLED
            self.store.insert(queued)
        if queued.expires_at:
            self.queue.expiry.watch_paged(queued.expires_at)

    def _page_in_between(self, queued: QueuedMessage) -> None:
        self._page_out(queued)
        self.changed_in = self.store.batch

    def unpage(self, queued: QueuedMessage | StoredMessage) -> None:
        """A message that is only in the store leaves it."""
        self.paged -= 1
        self.paged_bytes -= queued.message.size
        self.changed_in = self.store.batch

    def put_back(self, queued: QueuedMessage) -> None:
        """To its old place."""
        ready = self.ready
        row = queued.row
        if self.held:
            self.held.pop(row, None)
            if self.paged and row > self.horizon:
                if queued.stored == SPILLED:
                    self.store.update(queued)
                self._page_in_between(queued)
                return
        self.bytes += queued.message.size + OVERHEAD
        if not ready or ready[0].row > row:
            ready.appendleft(queued)
        elif ready[-1].row < row:
            ready.append(queued)
        else:
            self._insert(queued)
        self.horizon = max(self.horizon, row)

    def rejoin(self, queued: QueuedMessage) -> None:
        """To its old place after some time, which by now may lie among what is only in the store."""
        self.held.pop(queued.row, None)
        if self.paged and queued.row > self.horizon:
            self._page_in_between(queued)
        else:
            self.put_back(queued)

    def _insert(self, queued: QueuedMessage) -> None:
        ready = self.ready
        place = bisect_left(ready, queued.row, key=row_of)
        if ready[place].row == queued.row:
            self.gone -= 1
            ready[place] = queued
        else:
            ready.insert(place, queued)

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
        self._close_gaps()

    def find(self, row: int) -> QueuedMessage | StoredMessage | None:
        """The ready message of that row, wherever it is. Never while the store is ``busy``. Raises StoreError."""
        if not self.first_row < row < self.next_row:
            return None
        if row > self.horizon:
            found = self.store.read(row - 1, row, 1, 1) if self.paged and row not in self.held else []
            return found[0] if found else None
        place = bisect_left(self.ready, row, key=row_of)
        if place < len(self.ready) and self.ready[place].row == row and self.ready[place].state == READY:
            return self.ready[place]
        return None

    def take(self, entry: QueuedMessage | StoredMessage) -> QueuedMessage:
        """Take a ready message out of the middle, or out of what is only in the store, for a choosy consumer."""
        if isinstance(entry, StoredMessage):
            self.unpage(entry)
            queued = revive(self, entry)
        else:
            queued = entry
            self.bytes -= queued.message.size + OVERHEAD
            gap = QueuedMessage(NO_MESSAGE, self, queued.row)
            gap.state = GONE
            self.ready[bisect_left(self.ready, queued.row, key=row_of)] = gap
            self.gone += 1
            while self.ready and self.ready[0].state == GONE:
                self.ready.popleft()
                self.gone -= 1
            self._close_gaps()
        self.held[queued.row] = queued
        return queued

    def forget_settled(self) -> None:
        """Of what was taken out of the middle remember only what is still held, now and then."""
        if len(self.held) >= self.settled_at:
            self.held = {row: queued for row, queued in self.held.items() if queued.state == HELD}
            self.settled_at = 2 * len(self.held) + 1_024
            self.changed_in = self.store.batch

    def _close_gaps(self) -> None:
        ready = self.ready
        if self.gone > 64 and self.gone * 2 > len(ready):
            self.ready = deque(entry for entry in ready if entry.state != GONE)
            self.gone = 0

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
        horizon = max(ready[-1].row, self.handed) if ready else self.handed
        if horizon < self.horizon:
            # What was taken out of the middle may lie beyond the horizon now, too.
            self.horizon = horizon
            self.changed_in = self.store.batch

    def clear(self) -> int:
        """Drop everything that is ready; tell how many messages that was."""
        count = self.waiting
        for queued in self.ready:
            if queued.state != GONE:
                queued.state = GONE
                if queued.stored:
                    self.store.delete(queued)
        if self.paged:
            first = self.horizon + 1
            # What is held stays, wherever it lies.
            for row in sorted(row for row, queued in self.held.items() if row >= first and queued.state == HELD):
                if row > first:
                    self.store.drop_rows(first, row - 1)
                first = row + 1
            self.store.drop_rows(first, self.next_row - 1)
            self.cleared_to = self.next_row - 1
        self.ready.clear()
        self.bytes = self.gone = self.paged = self.paged_bytes = 0
        self.horizon = self.next_row - 1
        return count
