"""Delayed messages: published with a delay, or given back and waiting for a retry.

They are in a lane of their own, where a row is no place in the queue:

    next due ......... horizon ......... only in the store, found by an index of due times
    (heap in memory)

When a message is due it moves to another row, in one transaction: to the tail of the queue, or to its old place if it
came back. A repeated message stays, with its next time, and a copy of it goes to the tail, also in one transaction.
There is one timer for each queue, for the first message. Due messages are released in slices, a few milliseconds a turn
for all queues together, so that a hundred thousand messages that are due in the same second hold up nobody. The wall
clock counts, and is looked at once a minute at least, so that a machine that slept, or whose clock was set, is right.
"""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING

from batonmq.broker.features.dead_letters import counted
from batonmq.broker.features.publish_headers import schedule_in
from batonmq.broker.features.schedules import SCHEDULE_MARK
from batonmq.broker.model.memory import OVERHEAD
from batonmq.broker.model.scheduler import WORK
from batonmq.queued import DURABLE, IN_MEMORY, SPILLED, QueuedMessage
from batonmq.store.records import DELAY_LANE, POSITION_BITS

if TYPE_CHECKING:
    from batonmq.broker.features.schedules import Schedule
    from batonmq.broker.lanes.state import QueueState
    from batonmq.broker.model.timetable import Timer
    from batonmq.message import Message
    from batonmq.store.records import LaneRecord, StoredMessage

# Memory holds at most so many of the next due messages of a queue, and half of that after it is trimmed.
HEAP_MESSAGES = 2_048
HEAP_BYTES = 4 << 20
# With fewer messages in memory more are read: 256 messages take about 1.5 ms.
HEAP_LOW = 128
READ_MESSAGES = 256
READ_BYTES = 1 << 20
# The longest time between two looks at the wall clock, in seconds.
LOOK_SECONDS = 60.0

# Due, message, place to return to (0: the tail).
Entry = tuple[int, QueuedMessage, int]


class Delays:
    """The delayed messages of a queue, the next due first."""

    __slots__ = (
        "_armed_for",
        "_bytes",
        "_heap",
        "_horizon",
        "_next_row",
        "_on_disk",
        "_timer",
        "_waiting",
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
        first_row = self.lane_id << POSITION_BITS
        self._next_row = max(record.last_row if record is not None else 0, first_row) + 1
        # Due and row, and by row what waits; of a row that is not there any more the heap's entry is skipped.
        self._heap: list[tuple[int, int]] = []
        self._waiting: dict[int, Entry] = {}
        self._bytes = 0
        # How many are only in the store; all of them are due after the horizon, which is a time and a row.
        self._on_disk = self.count
        self._horizon = (0, 0)
        self._timer: Timer | None = None
        self._armed_for = 0
        if self._on_disk:
            self._arm(1)

    def _now(self) -> int:
        return self.queue.scheduler.now()

    # ------------------------------------------------------------------ in

    def add(self, message: Message, due: int) -> bool:
        """Keep a new message until that time (ms of the epoch); returns whether that needs the disk."""
        queue = self.queue
        is_stored = queue.survives_restart and message.properties.persistent
        queued = QueuedMessage(message, queue, 0, DURABLE if is_stored else IN_MEMORY)
        queued.wait(self._take_row())
        if is_stored:
            queue.store.insert_delayed(queued, due, 0)
        self._keep(due, queued, 0)
        return is_stored

    def postpone(self, queued: QueuedMessage, due: int) -> None:
        """Keep a message that came back; it returns to its place at that time (ms of the epoch)."""
        place = queued.row
        queued.wait(self._take_row())
        if queued.stored:
            self.queue.store.move(queued, place, due, place)
        self._keep(due, queued, place)

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
        self._push(due, queued, place)
        most = self._most_bytes()
        if (len(self._heap) > HEAP_MESSAGES or self._bytes > most) and self.queue.store.pages:
            self._trim(most)
        self._arm(due)

    def _most_bytes(self) -> int:
        memory = self.queue.scheduler.memory
        return HEAP_BYTES if memory.used <= memory.limit else memory.least(self._bytes)

    def _push(self, due: int, queued: QueuedMessage, place: int) -> None:
        heapq.heappush(self._heap, (due, queued.row))
        self._waiting[queued.row] = (due, queued, place)
        self._account(queued.message.weight + OVERHEAD)

    def _account(self, size: int) -> None:
        self._bytes += size
        self.queue.scheduler.memory.use(size)

    def _trim(self, most: int) -> None:
        """Page out the messages that are due last, until half of what memory may hold is left."""
        heap = sorted((entry[0], row) for row, entry in self._waiting.items())
        keep = size = 0
        while keep < len(heap) and keep < HEAP_MESSAGES // 2 and (keep == 0 or size < most // 2):
            size += self._waiting[heap[keep][1]][1].message.weight + OVERHEAD
            keep += 1
        for _, row in heap[keep:]:
            self._leave(*self._waiting.pop(row))
        # A sorted list is a heap. It must stay the same list, as a release that led here goes on with it.
        self._heap[:] = heap[:keep]
        self._account(size - self._bytes)
        self._horizon = heap[keep - 1]

    def _leave(self, due: int, queued: QueuedMessage, place: int) -> None:
        """Page out a message."""
        self._on_disk += 1
        if queued.stored == IN_MEMORY:
            queued.kept_as(SPILLED)
            self.queue.has_spilled()
            self.queue.store.insert_delayed(queued, due, place)

    # ------------------------------------------------------------------ out

    def work(self, most: int) -> int:
        """Release at most so many due messages; returns how many. Raises StoreError."""
        if self.queue.deleted:
            return 0
        now = self._now()
        heap = self._heap
        done = 0
        while heap and done < most and heap[0][0] <= now:
            entry = self._take_out(heapq.heappop(heap)[1])
            if entry is not None:
                due, queued, place = entry
                self._release(queued, place, due)
                done += 1
        if self._wants_refill() and done < most:
            self._refill()
            done += READ_MESSAGES // 2
        self._go_on(now)
        return done

    def _take_out(self, row: int) -> Entry | None:
        """Remove the message of that row from memory."""
        entry = self._waiting.pop(row, None)
        if entry is not None:
            self._account(-entry[1].message.weight - OVERHEAD)
        return entry

    def _wants_refill(self) -> bool:
        if self._on_disk <= 0 or len(self._heap) >= HEAP_LOW:
            return False
        return not self._heap or self._bytes < self._most_bytes()

    def _go_on(self, now: int) -> None:
        if self._wants_refill() or (self._heap and self._heap[0][0] <= now):
            self.queue.scheduler.soon(WORK, self.work)
        elif self._heap:
            self._arm(self._heap[0][0])

    def _release(self, queued: QueuedMessage, place: int, due: int) -> None:
        queue = self.queue
        self.count -= 1
        self.size -= queued.message.weight
        if not place and queued.message.properties.mentions(SCHEDULE_MARK):
            schedule = schedule_in(queued.message)
            if schedule is not None:
                self._repeat(queued, schedule, due)
                return
        again = None if place else queue.try_again(queued)
        if again is not None:
            self._wait_on(queued, again)
            return
        queue.expect(queued.message)
        lane = queue.lane_at(place) if place else None
        if lane is None or place <= lane.cleared_to:
            # The time to live begins when the message enters the queue, unless it was there before.
            queue.enter(queued, queue.lane_for(queued.message), is_new=not place)
            return
        waited_at = queued.row
        queued.fall_due(place)
        if queued.stored:
            queue.store.move(queued, waited_at)
        queue.return_to(queued, lane)

    def _repeat(self, queued: QueuedMessage, schedule: Schedule, due: int) -> None:
        """Keep a repeated message for its next time, if there is one, and put a copy into the queue."""
        # The message itself is never delivered, so its return count can count its repeats.
        following, repeat = schedule.following(due, queued.return_count, self._now())
        queued.count_as(repeat)
        self._wait_on(queued, following)
        self.queue.copy_in(queued)

    def _wait_on(self, queued: QueuedMessage, due: int) -> None:
        """Keep a message until another time; 0: it leaves the queue."""
        store = self.queue.store
        if due:
            if queued.stored:
                store.move(queued, queued.row, due)
            self._keep(due, queued, 0)
            return
        queued.leave()
        if queued.stored:
            store.delete(queued)

    def _refill(self) -> None:
        found = self.queue.store.read_delayed(
            self.lane_id, self._horizon, READ_MESSAGES, min(READ_BYTES, self._most_bytes())
        )
        for stored in found:
            self._push(stored.due, self._revive(stored), stored.return_row)
        if found:
            self._horizon = (found[-1].due, found[-1].row)
            self._on_disk -= len(found)
        if not found or self._on_disk < 0:
            # After a failure the count is an estimate: the store knows better.
            self._on_disk = 0
            self.count = len(self._waiting)
            self.size = sum(queued.message.weight for _, queued, _ in self._waiting.values())

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

    # ------------------------------------------------------------------ the rest

    def survivors(self) -> tuple[int, int]:
        """The number and bytes of the messages that survive a restart, if no transient one was written to the store."""
        transient = [queued for _, queued, _ in self._waiting.values() if queued.stored != DURABLE]
        return self.count - len(transient), self.size - sum(queued.message.weight for queued in transient)

    def lost(self, queued: QueuedMessage) -> None:
        """Remove a message that the store could not keep; its producer will be told."""
        queued.leave()
        if self._take_out(queued.row) is None:
            self._on_disk -= 1
        self.count -= 1
        self.size -= queued.message.weight

    def stop(self) -> None:
        """Stop: the queue is deleted."""
        self._forget()
        self.queue.give_up_lane(self.lane_id)

    def _forget(self) -> None:
        for _, queued, _ in self._waiting.values():
            queued.leave()
        self._heap.clear()
        self._waiting.clear()
        self._account(-self._bytes)
        self.count = self.size = self._on_disk = 0
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._armed_for = 0

    def _arm(self, due: int) -> None:
        if self._armed_for and self._armed_for <= due:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._armed_for = due
        seconds = max(due - self._now(), 0) / 1000
        self._timer = self.queue.scheduler.timetable.after(min(seconds, LOOK_SECONDS), self._fire)

    def _fire(self) -> None:
        self._armed_for = 0
        self._timer = None
        self._go_on(self._now())
