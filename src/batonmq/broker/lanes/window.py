"""The head of a lane, in memory.

    handed ........ ready ........ horizon

Positions only grow. Every message at hand lies at or before the horizon.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from operator import attrgetter
from typing import Final

from batonmq.broker.model.memory import OVERHEAD, Memory
from batonmq.message import Message
from batonmq.properties import EMPTY
from batonmq.queued import GONE, READY, QueuedMessage, Settlement
from batonmq.store.records import POSITION_BITS, POSITION_MASK

# Marks a place in the window from which a message was taken.
NO_MESSAGE: Final = Message("", "", EMPTY, b"")
# A consumer gets at most this many bytes before it is asked again whether it has room.
BATCH_BYTES: Final = 256 << 10
# This many gaps are skipped before the window is rebuilt without them.
GAPS_MAX: Final = 64

row_of = attrgetter("row")


class Window:
    """The messages of a lane that are in memory, in order. Anybody may read its fields; only the window writes them."""

    __slots__ = (
        "_begins_at",
        "bytes",
        "counted",
        "first_row",
        "gone",
        "handed",
        "horizon",
        "lane_id",
        "last_row",
        "next_row",
        "priority",
        "ready",
    )

    def __init__(self, lane_id: int, priority: int) -> None:
        self.lane_id = lane_id
        self.priority = priority
        self.first_row = lane_id << POSITION_BITS
        self.last_row = self.first_row | POSITION_MASK
        self.next_row = self._begins_at = self.first_row + 1
        self.ready: deque[QueuedMessage] = deque()
        # The number of gaps in ``ready``.
        self.gone = 0
        # The bytes of the window, and how many of them are counted in the broker's budget.
        self.bytes = 0
        self.counted = 0
        self.horizon = self.first_row
        # The last row that was handed out.
        self.handed = self.first_row

    @property
    def enqueued(self) -> int:
        """How many messages were put at the tail since the lane was made or restored."""
        return self.next_row - self._begins_at

    # ------------------------------------------------------------------ out

    def take_batch(self, most: int) -> list[QueuedMessage]:
        """Take up to ``most`` messages from the head, or fewer if these are enough for one write to a socket."""
        ready = self.ready
        batch: list[QueuedMessage] = []
        size = 0
        while ready and len(batch) < most and size < BATCH_BYTES:
            queued = ready.popleft()
            if queued.state == GONE:
                self.gone -= 1
                continue
            size += queued.message.weight + OVERHEAD
            batch.append(queued)
        self.bytes -= size
        if batch and batch[-1].row > self.handed:
            self.handed = batch[-1].row
        return batch

    def pop(self) -> QueuedMessage | None:
        """Take the next message; None when the window is empty."""
        ready = self.ready
        while ready:
            queued = ready.popleft()
            if queued.state == GONE:
                self.gone -= 1
                continue
            self.bytes -= queued.message.weight + OVERHEAD
            if queued.row > self.handed:
                self.handed = queued.row
            return queued
        return None

    def take_out(self, queued: QueuedMessage) -> None:
        """Take a ready message out of the middle and leave a gap."""
        queued.leave()
        self.bytes -= queued.message.weight + OVERHEAD
        self.gone += 1
        self._close_gaps()

    def cut_out(self, queued: QueuedMessage, settlement: Settlement) -> None:
        """Take a ready message out of the middle; it may come back."""
        self.bytes -= queued.message.weight + OVERHEAD
        if self.ready[0] is queued:
            self.ready.popleft()
        else:
            gap = QueuedMessage(NO_MESSAGE, settlement, queued.row)
            gap.leave()
            self.ready[bisect_left(self.ready, queued.row, key=row_of)] = gap
            self.gone += 1
        while self.ready and self.ready[0].state == GONE:
            self.ready.popleft()
            self.gone -= 1
        self._close_gaps()

    def _close_gaps(self) -> None:
        ready = self.ready
        if self.gone > GAPS_MAX and self.gone * 2 > len(ready):
            self.ready = deque(entry for entry in ready if entry.state != GONE)
            self.gone = 0

    # ------------------------------------------------------------------ in, at an old place

    def put_in(self, queued: QueuedMessage) -> None:
        """Put a message in its old place, which is at or before the horizon, or just behind it."""
        ready = self.ready
        row = queued.row
        self.bytes += queued.message.weight + OVERHEAD
        if not ready or ready[0].row > row:
            ready.appendleft(queued)
        elif ready[-1].row < row:
            ready.append(queued)
        else:
            place = bisect_left(ready, row, key=row_of)
            if ready[place].row == row:
                self.gone -= 1
                ready[place] = queued
            else:
                ready.insert(place, queued)
        if row > self.horizon:
            self.horizon = row

    def at(self, row: int) -> QueuedMessage | None:
        """The ready message of that row; None: it is not in memory."""
        place = bisect_left(self.ready, row, key=row_of)
        if place < len(self.ready):
            queued = self.ready[place]
            if queued.row == row and queued.state == READY:
                return queued
        return None

    def account(self, memory: Memory, *, can_shrink: bool) -> int | None:
        """Tell the budget how much the window has grown or shrunk; returns the bytes it must shrink to, if it must."""
        memory.use(self.bytes - self.counted)
        self.counted = self.bytes
        if not can_shrink:
            return None
        most = memory.most(self.counted)
        return most if self.bytes > most else None
