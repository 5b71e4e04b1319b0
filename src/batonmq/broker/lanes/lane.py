"""One first-in-first-out run of messages: a window of its head in memory, the rest in the store.

    handed ........ window (ready) ........ horizon ........ in the store only (paged) ........ next_row

Positions only grow. Every message in the window lies at or before the horizon, every paged one after it; what a
consumer held comes back at its old place, which is at or before the horizon unless a choosy consumer took it out of the
middle (``held``). A queue has one lane, and one for each priority in use if its messages have priorities.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from batonmq.broker.lanes.paging import PagedWindow
from batonmq.broker.model.memory import OVERHEAD, Memory
from batonmq.message import DURABLE, GONE, HELD, IN_MEMORY, SPILLED, QueuedMessage
from batonmq.store.records import StoredMessage

if TYPE_CHECKING:
    from batonmq.broker.lanes.owner import LaneOwner
    from batonmq.message import Message
    from batonmq.store.interface import Store
    from batonmq.store.records import LaneRecord

# Of what choosy consumers took out of the middle, what was settled is forgotten when there are this many.
HELD_MAX = 1_024


class Lane(PagedWindow):
    """A run of messages in their order. Its fields are for all to read, and its own to write."""

    __slots__ = ("_held_max", "cleared_to")

    def __init__(self, queue: LaneOwner, store: Store, lane_id: int, priority: int) -> None:
        super().__init__(queue, store, lane_id, priority)
        self._held_max = HELD_MAX
        # Rows up to this one may still be swept away by the store: nothing new is to stand there.
        self.cleared_to = 0

    def survivors(self) -> tuple[int, int]:
        """How many ready messages outlive a restart, and what they weigh in bytes, if no transient one was paged."""
        count = size = 0
        for queued in self.ready:
            if queued.state != GONE and queued.stored == DURABLE:
                count += 1
                size += queued.message.weight
        return count + self.paged, size + self.paged_bytes

    def restore(self, record: LaneRecord) -> None:
        """Take over what the store found: all of it is paged at first."""
        self.paged = record.waiting
        self.paged_bytes = record.waiting_bytes
        self.next_row = self._begins_at = max(record.last_row, self.first_row) + 1

    # ------------------------------------------------------------------ in, at the tail

    def enqueue(self, message: Message, stored: int, expires_at: int = 0) -> QueuedMessage:
        """A new message, kept as ``stored`` says (IN_MEMORY or DURABLE). 0.3 us."""
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
        """A run of new ones, for half of what it costs one by one. ``survive``: the persistent ones are for the disk.

        Tells whether any is.
        """
        is_any_stored = False
        if self.paged:
            for message in messages:
                is_stored = survive and message.properties.persistent
                self.enqueue(message, DURABLE if is_stored else IN_MEMORY)
                is_any_stored = is_any_stored or is_stored
            return is_any_stored
        row = self.next_row
        queue = self.queue
        append = self.ready.append
        size = 0
        for message in messages:
            if survive and message.properties.persistent:
                queued = QueuedMessage(message, queue, row, DURABLE)
                self.store.insert(queued)
                is_any_stored = True
            else:
                queued = QueuedMessage(message, queue, row)
            append(queued)
            row += 1
            size += message.weight
        self.next_row = row
        self.horizon = row - 1
        self.bytes += size + OVERHEAD * len(messages)
        return is_any_stored

    def next_place(self) -> int:
        """The row at the tail, for a message that comes from elsewhere in the store; ``append`` it there."""
        row = self.next_row
        self.next_row = row + 1
        return row

    def append(self, queued: QueuedMessage) -> None:
        """At the tail: into the window, or left to the store when messages wait there already."""
        if self.paged:
            self._page_out(queued)
        else:
            self.ready.append(queued)
            self.horizon = queued.row
            self.bytes += queued.message.weight + OVERHEAD

    # ------------------------------------------------------------------ in, at an old place

    def put_back(self, queued: QueuedMessage) -> None:
        """To its old place."""
        if self.held:
            self.held.pop(queued.row, None)
            if self.paged and queued.row > self.horizon:
                if queued.stored == SPILLED:
                    self.store.update(queued)
                self._page_in_between(queued)
                return
        self.put_in(queued)

    def rejoin(self, queued: QueuedMessage) -> None:
        """To its old place after some time, which by now may lie among what is only in the store."""
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
        """Take a ready message out of the middle, or out of what is only in the store, for a choosy consumer."""
        if isinstance(entry, StoredMessage):
            self.unpage(entry)
            queued = self.queue.revive(entry)
        else:
            queued = entry
            self.cut_out(queued, self.queue)
        self.held[queued.row] = queued
        return queued

    def forget_settled(self) -> None:
        """Of what was taken out of the middle remember only what is still held, now and then."""
        if len(self.held) >= self._held_max:
            self.held = {row: queued for row, queued in self.held.items() if queued.state == HELD}
            self._held_max = 2 * len(self.held) + HELD_MAX
            self.changed_in = self.store.batch

    def lose(self, queued: QueuedMessage) -> None:
        """The store could not keep a ready message of this lane."""
        if queued.row <= self.horizon:
            self.take_out(queued)
        else:
            self.unpage(queued)

    # ------------------------------------------------------------------ the end

    def clear(self) -> int:
        """Drop everything that is ready; tell how many messages that was."""
        count = self.waiting
        for queued in self.ready:
            if queued.state != GONE:
                queued.leave()
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

    def end(self, memory: Memory) -> None:
        """The queue is deleted: nothing is held in it, the budget has its share back, and it knows no queue.

        Whoever still holds a message knows the queue, and that its lane: the other way round it would be a cycle, which
        stays for long where the collector looks at old objects seldom.
        """
        self.clear()
        self.held.clear()
        self.account(memory, can_shrink=False)
        del self.queue
