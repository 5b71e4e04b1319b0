"""One first-in-first-out run of messages: a window of its head in memory, the rest in the store.

    handed ........ window (ready) ........ horizon ........ in the store only (paged) ........ next_row

Positions only grow. Every message in the window lies at or before the horizon, every paged one after it; what a
consumer held comes back at its old place, which is at or before the horizon unless a choosy consumer took it out of the
middle (``held``). A queue has one lane, and one for each priority in use if its messages have priorities.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from batonmq.broker.lanes.paging import PagedWindow
from batonmq.broker.lanes.window import NO_MESSAGE
from batonmq.broker.model.memory import OVERHEAD, Memory
from batonmq.queued import DURABLE, GONE, HELD, IN_MEMORY, SPILLED, QueuedMessage
from batonmq.store.records import StoredMessage

if TYPE_CHECKING:
    from batonmq.broker.lanes.owner import LaneOwner
    from batonmq.message import Message
    from batonmq.store.interface import Store
    from batonmq.store.records import LaneRecord

# Selective consumers take messages out of the middle. When this many are noted, the settled ones are forgotten.
HELD_MAX: Final = 1_024


class Lane(PagedWindow):
    """A run of messages in their order. Anybody may read its fields; only the lane writes them."""

    __slots__ = ("_held_max", "cleared_to")

    def __init__(self, queue: LaneOwner, store: Store, lane_id: int, priority: int) -> None:
        super().__init__(queue, store, lane_id, priority)
        self._held_max = HELD_MAX
        # The store may still delete rows up to this one: no new message may be put there.
        self.cleared_to = 0

    def survivors(self) -> tuple[int, int] | None:
        """The number and bytes of the ready messages that survive a restart, if no transient one was paged out.

        Rows that cannot be read are among them, as they stay. None: the store has to count.
        """
        if self.is_recounted:
            return None
        count = sum(queued.message is NO_MESSAGE for queued in self.held.values())
        size = 0
        for queued in self.ready:
            if queued.state != GONE and queued.stored == DURABLE:
                count += 1
                size += queued.message.weight
        return count + self.paged, size + self.paged_bytes

    def restore(self, record: LaneRecord) -> None:
        """Take over the messages found by the store; all are paged at first."""
        self.paged = record.waiting
        self.paged_bytes = record.waiting_bytes
        self.next_row = self._begins_at = max(record.last_row, self.first_row) + 1

    # ------------------------------------------------------------------ in, at the tail

    def enqueue(self, message: Message, stored: int, expires_at: int = 0) -> QueuedMessage:
        """Put a new message at the tail, kept as ``stored`` says (IN_MEMORY or DURABLE). Takes 0.3 us."""
        row = self.next_row
        self.next_row = row + 1
        queued = QueuedMessage(message, self.queue, row, stored)
        if expires_at:
            queued.expire_at(expires_at)
        if stored:
            self.store.insert(queued)
        if self.paged:
            self._page_out(queued)
        else:
            self.ready.append(queued)
            self.horizon = row
            self.bytes += message.weight + OVERHEAD
        return queued

    def enqueue_all(self, messages: list[Message], *, survive: bool) -> bool:
        """Put a run of new messages at the tail, at half the cost of doing so one by one.

        ``survive``: store the persistent ones. Returns whether there are any.
        """
        if self.paged:
            is_any_stored = False
            for message in messages:
                is_stored = survive and message.properties.persistent
                self.enqueue(message, DURABLE if is_stored else IN_MEMORY)
                is_any_stored = is_any_stored or is_stored
            return is_any_stored
        row = self.next_row
        queue = self.queue
        append = self.ready.append
        stored: list[QueuedMessage] = []
        size = 0
        for message in messages:
            if survive and message.properties.persistent:
                queued = QueuedMessage(message, queue, row, DURABLE)
                stored.append(queued)
            else:
                queued = QueuedMessage(message, queue, row)
            append(queued)
            row += 1
            size += message.weight
        if stored:
            self.store.insert_all(stored)
        self.next_row = row
        self.horizon = row - 1
        self.bytes += size + OVERHEAD * len(messages)
        return bool(stored)

    def next_place(self) -> int:
        """The next row at the tail, for a message that is in the store already and is then ``append``ed."""
        row = self.next_row
        self.next_row = row + 1
        return row

    def append(self, queued: QueuedMessage) -> None:
        """Put a message at the tail: into the window, or only into the store if messages are paged already."""
        if self.paged:
            self._page_out(queued)
        else:
            self.ready.append(queued)
            self.horizon = queued.row
            self.bytes += queued.message.weight + OVERHEAD

    # ------------------------------------------------------------------ in, at an old place

    def put_back(self, queued: QueuedMessage) -> None:
        """Put a message back in its old place."""
        if self.held:
            self.held.pop(queued.row, None)
            if self.paged and queued.row > self.horizon:
                if queued.stored == SPILLED:
                    self.store.update(queued)
                self._page_in_between(queued)
                return
        self.put_in(queued)

    def rejoin(self, queued: QueuedMessage) -> None:
        """Put a message back in its old place after some time; that place may be in the paged part by now."""
        self.held.pop(queued.row, None)
        if self.paged and queued.row > self.horizon:
            self._page_in_between(queued)
        else:
            self.put_in(queued)

    # ------------------------------------------------------------------ out of the middle

    def find(self, row: int) -> QueuedMessage | StoredMessage | None:
        """The ready message of that row, wherever it is. Never while the store is ``busy``. Raises StoreError."""
        if not self.first_row < row < self.next_row:
            return None
        if row <= self.horizon:
            return self.at(row)
        found = self.store.read(row - 1, row, 1, 1) if self.paged and row not in self.held else []
        return found[0] if found else None

    def take(self, entry: QueuedMessage | StoredMessage) -> QueuedMessage:
        """Take a ready message out of the middle, or out of the paged messages, for a choosy consumer."""
        if isinstance(entry, StoredMessage):
            self.unpage(entry)
            queued = self.queue.revive(entry)
        else:
            queued = entry
            self.cut_out(queued, self.queue)
        self.held[queued.row] = queued
        return queued

    def forget_settled(self) -> None:
        """From time to time, forget settled messages that were taken out of the middle."""
        if len(self.held) >= self._held_max:
            self.held = {row: queued for row, queued in self.held.items() if queued.state == HELD}
            self._held_max = 2 * len(self.held) + HELD_MAX
            self.changed_in = self.store.batch

    def lose(self, queued: QueuedMessage) -> None:
        """Remove a ready message that the store could not keep."""
        if queued.row <= self.horizon:
            self.take_out(queued)
        else:
            self.unpage(queued)

    # ------------------------------------------------------------------ the end

    def clear(self) -> int:
        """Drop all ready messages; returns how many there were."""
        count = self.waiting
        for queued in self.ready:
            if queued.state != GONE:
                queued.leave()
                if queued.stored:
                    self.store.delete(queued)
        if self.paged:
            first = self.horizon + 1
            # Held messages stay, wherever they lie.
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

    def let_go(self, most: int) -> bool:
        """The queue is about to be deleted: forget that many ready messages in memory. Returns whether there are more.

        The store has them until it drops the lane; to forget a hundred thousand at once would take 20 ms.
        """
        ready = self.ready
        while ready and most:
            queued = ready.popleft()
            most -= 1
            if queued.state == GONE:
                self.gone -= 1
            else:
                queued.leave()
                self.bytes -= queued.message.weight + OVERHEAD
        return bool(ready)

    def end(self, memory: Memory) -> None:
        """Empty the lane, give its share back to the budget, and drop its queue: that is deleted, or its broker closed.

        Its rows in the store are not deleted here: the store drops the lane as a whole.

        A held message refers to its queue, and that to the lane. A reference back would be a cycle, and the collector
        does not look at messages.
        """
        for queued in self.ready:
            # What was taken from the middle has left its gap.
            if queued.state != GONE:
                queued.leave()
        self.ready.clear()
        self.bytes = self.gone = self.paged = self.paged_bytes = 0
        self.horizon = self.next_row - 1
        self.held.clear()
        self.account(memory, can_shrink=False)
        del self.queue
