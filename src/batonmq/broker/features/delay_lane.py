"""The lane in which a queue's delayed messages wait: the next due in memory, the rest in the store.

next due ......... horizon ......... only in the store, found by an index of due times
(heap in memory)
"""

from __future__ import annotations

import logging
from abc import ABCMeta, abstractmethod
from typing import TYPE_CHECKING, NamedTuple

from batonmq.broker.features.dead_letters import counted, is_kept_back
from batonmq.broker.features.due_heap import HEAP_BYTES, DueHeap, Entry
from batonmq.broker.features.publish_headers import schedule_in
from batonmq.broker.features.schedules import SCHEDULE_MARK
from batonmq.broker.lanes.paging import LEFT_OUT, LOST
from batonmq.errors import NotFound
from batonmq.queued import DURABLE, IN_MEMORY, SPILLED, QueuedMessage
from batonmq.store.records import DELAY_LANE, POSITION_BITS, POSITION_MASK

if TYPE_CHECKING:
    from batonmq.broker.features.schedules import Schedule
    from batonmq.broker.lanes.state import QueueState
    from batonmq.store.records import LaneRecord, StoredMessage, StoredRun

log = logging.getLogger("batonmq.broker")

# With fewer messages in memory more are read: 256 messages take about 1.5 ms.
HEAP_LOW = 128
READ_MESSAGES = 256
READ_BYTES = 1 << 20

# At each opening, rows begin at a number that no earlier one has reached, unless more than this many messages came in
# each millisecond of its life. People name a message by its row, so a row must never come to mean another message.
ROWS_A_MILLISECOND = 8


class Waiting(NamedTuple):
    """A delayed message, as listings show it."""

    number: int
    """It stays the same as long as the message waits, over restarts too, and no other message of the queue has it."""
    due: int
    """When the message is due next, in milliseconds since the epoch."""
    queued: QueuedMessage
    came_back: bool
    """Did a consumer give it back, so that it waits for another attempt?"""
    schedule: Schedule | None
    """How it is repeated; None: it is delivered once."""
    is_kept_back: bool
    """Is it a dead letter for which there is no place yet?"""


def no_such_message(queue: QueueState, number: int) -> NotFound:
    """No message waits under that number (any more)."""
    return NotFound(f"no delayed message '{number}' in queue '{queue.name}'")


class DelayLane(metaclass=ABCMeta):
    """The delayed messages of a queue, wherever they are kept; the subclass watches when they are due."""

    __slots__ = (
        "_first_row",
        "_heap",
        "_horizon",
        "_is_estimate",
        "_next_row",
        "_on_disk",
        "_unreadable",
        "count",
        "lane_id",
        "queue",
        "size",
    )

    def __init__(self, queue: QueueState, record: LaneRecord | None = None) -> None:
        """``record``: what the store has of the lane. Raises StoreError when there are no lanes left."""
        self.queue = queue
        store = queue.store
        if record is None:
            self.lane_id = store.allocate_lane()
            if queue.survives_restart:
                store.add_lane(self.lane_id, queue.vhost_name, queue.name, DELAY_LANE)
        else:
            self.lane_id = record.lane_id
        # The number and the bytes of the delayed messages, in memory and in the store.
        self.count = record.waiting if record is not None else 0
        self.size = record.waiting_bytes if record is not None else 0
        self._first_row = self.lane_id << POSITION_BITS
        begin = self._first_row + min(queue.scheduler.now() * ROWS_A_MILLISECOND, POSITION_MASK >> 1)
        self._next_row = max(record.last_row if record is not None else 0, begin) + 1
        self._heap = DueHeap(queue.scheduler.memory)
        # How many are only in the store; all of them are due after the horizon, which is a time and a row.
        self._on_disk = self.count
        self._horizon = (0, 0)
        # Rows of it that cannot be read.
        self._unreadable: set[int] = set()
        # Has a batch failed? Then the count is only known after reading on.
        self._is_estimate = False

    @abstractmethod
    def _arm(self, due: int) -> None:
        """Have due messages looked for at that time (ms of the epoch), if not before."""

    # ------------------------------------------------------------------ in

    def _take_row(self) -> int:
        row = self._next_row
        self._next_row = row + 1
        return row

    def _keep(self, due: int, queued: QueuedMessage, place: int) -> None:
        self.count += 1
        self.size += queued.message.weight
        if self._on_disk and (due, queued.row) > self._horizon:
            self._leave(due, queued, place)
            return
        self._heap.push(due, queued, place)
        most = self._most_bytes()
        if self.queue.store.pages and self._heap.is_too_large(most):
            paged_out, self._horizon = self._heap.trim(most)
            for entry in paged_out:
                self._leave(*entry)
        self._arm(due)

    def _most_bytes(self) -> int:
        memory = self.queue.scheduler.memory
        return HEAP_BYTES if memory.used <= memory.limit else memory.least(self._heap.bytes)

    def _leave(self, due: int, queued: QueuedMessage, place: int) -> None:
        """Page out a message."""
        self._on_disk += 1
        if queued.stored == IN_MEMORY:
            queued.kept_as(SPILLED)
            self.queue.has_spilled()
            self.queue.store.insert_delayed(queued, due, place)

    # ------------------------------------------------------------------ read back

    def _wants_refill(self) -> bool:
        if self._on_disk <= 0 or len(self._heap) >= HEAP_LOW:
            return False
        return not len(self._heap) or self._heap.bytes < self._most_bytes()

    def _refill(self) -> None:
        # Unreadable rows may come again, since their due time is unknown.
        most = READ_MESSAGES + len(self._unreadable)
        run = self.queue.store.read_delayed(self.lane_id, self._horizon, most, min(READ_BYTES, self._most_bytes()))
        is_news = self._leave_aside(run)
        found = run.whole()
        for stored in found:
            self._heap.push(stored.due, self._revive(stored), stored.return_row)
        if found:
            self._horizon = (found[-1].due, found[-1].row)
            self._on_disk -= len(found)
        if not (found or is_news) or self._on_disk < 0:
            if self._on_disk > 0 and not self._is_estimate:
                log.error(LOST, self.queue, self._on_disk)
            # After a failure the count is an estimate: the store knows better.
            self._on_disk = 0
            self._is_estimate = False
            sizes = [queued.message.weight for queued in self._heap.messages()]
            self.count, self.size = len(sizes), sum(sizes)

    def _leave_aside(self, run: StoredRun) -> bool:
        """Skip rows that cannot be read as messages; returns whether any were not known before.

        They stay in the file, for a repair.
        """
        news = run.unreadable.keys() - self._unreadable
        for row in sorted(news):
            log.error(LEFT_OUT, self.queue, row, run.unreadable[row])
        self._unreadable |= news
        self._on_disk -= len(news)
        self.count -= len(news)
        return bool(news)

    def _revive(self, stored: StoredMessage) -> QueuedMessage:
        message = stored.message
        # Without a place to return to, the returns are repeats.
        if stored.return_count and stored.return_row and self.queue.settings.counts_deliveries:
            message = counted(message, stored.return_count)
        queued = QueuedMessage(message, self.queue, stored.row, stored.stored)
        queued.wait(stored.row)
        queued.count_as(stored.returns)
        queued.expire_at(stored.expires_at)
        return queued

    # ------------------------------------------------------------------ looked for

    def listed(self, after: tuple[int, int], most: int) -> list[Waiting] | None:
        """The messages after a time and a number, the next due first; none: there are no more.

        None: more are in the store, which cannot be read now. Raises StoreError.
        """
        due, number = after
        behind = (due, self._first_row + number)
        found = [self._shown(*entry) for entry in self._heap.after(behind, most)]
        if len(found) == most or self._on_disk <= 0:
            return found
        if self.queue.store.busy:
            return None
        stored = self.queue.store.read_delayed(self.lane_id, max(behind, self._horizon), most - len(found), READ_BYTES)
        return found + [self._shown(entry.due, self._revive(entry), entry.return_row) for entry in stored.whole()]

    def _shown(self, due: int, queued: QueuedMessage, place: int) -> Waiting:
        message = queued.message
        schedule = None
        if not place and message.properties.mentions(SCHEDULE_MARK):
            schedule = schedule_in(message)
        is_dead = not place and is_kept_back(self.queue, message)
        return Waiting(queued.row - self._first_row, due, queued, bool(place), schedule, is_dead)

    def _find(self, number: int) -> Entry | None:
        """The message of that number; None: it may be in the store, which cannot be read now. Raises NotFound."""
        row = self._first_row + number
        entry = self._heap.find(row)
        if entry is not None:
            return entry
        if self._on_disk > 0 and self._first_row < row < self._next_row:
            store = self.queue.store
            if store.busy:
                return None
            for stored in store.read(row - 1, row, 1, 1):
                return stored.due, self._revive(stored), stored.return_row
        raise no_such_message(self.queue, number)

    # ------------------------------------------------------------------ out

    def _forget_one(self, queued: QueuedMessage) -> None:
        if self._heap.take_out(queued.row) is None:
            self._on_disk -= 1

    def survivors(self) -> tuple[int, int] | None:
        """The number and bytes of the messages that survive a restart, if no transient one was written to the store.

        Rows that cannot be read are among them, as they stay. None: the store has to count.
        """
        if self._is_estimate:
            return None
        transient = [queued for queued in self._heap.messages() if queued.stored != DURABLE]
        return self.count - len(transient) + len(self._unreadable), self.size - sum(
            queued.message.weight for queued in transient
        )

    def lost(self, queued: QueuedMessage) -> None:
        """Remove a message that the store could not keep; its producer will be told."""
        self._is_estimate = True
        queued.leave()
        if self._heap.take_out(queued.row) is None:
            self._on_disk -= 1
        self.count -= 1
        self.size -= queued.message.weight

    def _forget_all(self) -> None:
        """No message waits any more."""
        self._heap.clear()
        self._unreadable.clear()
        self.count = self.size = self._on_disk = 0
