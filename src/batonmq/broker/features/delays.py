"""Messages that wait for their time: published with a delay, or given back to be tried again later.

They lie in a lane of their own, where a row is no place in the queue:

    next due ......... horizon ......... only in the store, found by an index of due times
    (heap in memory)

When its time has come a message moves to another row, in one transaction: a delayed one to the tail of the queue, one
that came back to the place that it had. One that repeats itself stays, with its next time, and a copy of it goes, in
one transaction too. No message has a timer: the queue has one, for the first. What falls due is released in slices, a
few milliseconds a turn for all queues together, so that a hundred thousand messages that are due in the same second
hold up nobody. The time is that of the clock on the wall, looked at once a minute at least: a machine that slept, or
whose clock was set, does not drift.
"""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING

from batonmq.broker.features.dead_letters import bring_again, counted, is_kept_back
from batonmq.broker.features.repeating import put_copy, schedule_in
from batonmq.broker.features.schedules import SCHEDULE_MARK
from batonmq.broker.model.memory import OVERHEAD
from batonmq.broker.queues.enqueue import enter
from batonmq.message import DELAYED, DURABLE, GONE, IN_MEMORY, READY, SPILLED, QueuedMessage
from batonmq.store.interface import DELAY_LANE, POSITION_BITS

if TYPE_CHECKING:
    from batonmq.broker.features.schedules import Schedule
    from batonmq.broker.model.timetable import Timer
    from batonmq.broker.queues.queue import Queue
    from batonmq.message import Message
    from batonmq.store.interface import LaneRecord, StoredMessage

# Memory holds so many of the next due messages of a queue, and half of that after it was cleaned up.
HEAP_MESSAGES = 2_048
HEAP_BYTES = 4 << 20
# Below this it is read on: 256 messages take about 1.5 ms.
HEAP_LOW = 128
READ_MESSAGES = 256
READ_BYTES = 1 << 20
# The longest time for which the clock on the wall is not looked at.
LOOK_SECONDS = 60.0

# Due, message, place to return to (0: the tail).
Entry = tuple[int, QueuedMessage, int]


class Delays:
    """A queue's messages that wait, the next due first."""

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

    def __init__(self, queue: Queue, record: LaneRecord | None = None) -> None:
        """``record``: what was found in the store. Raises StoreError when there are no lanes left."""
        self.queue = queue
        store = queue.store
        if record is None:
            self.lane_id = store.allocate_lane()
            if queue.kept:
                store.add_lane(self.lane_id, queue.vhost.name, queue.name, DELAY_LANE)
        else:
            self.lane_id = record.lane_id
        # How many messages wait, and the bytes of their bodies, wherever they are.
        self.count = record.waiting if record is not None else 0
        self.size = record.waiting_bytes if record is not None else 0
        first_row = self.lane_id << POSITION_BITS
        self._next_row = max(record.last_row if record is not None else 0, first_row) + 1
        # Due and row, and by row what waits; of a row that is not there any more the heap's entry is skipped.
        self._heap: list[tuple[int, int]] = []
        self._waiting: dict[int, Entry] = {}
        self._bytes = 0
        # How many are only in the store; all of them are due after the horizon, a time and a row.
        self._on_disk = self.count
        self._horizon = (0, 0)
        self._timer: Timer | None = None
        self._armed_for = 0
        if self._on_disk:
            self._arm(1)

    def _now(self) -> int:
        return int(self.queue.broker.clock.time() * 1000)

    # ------------------------------------------------------------------ in

    def add(self, message: Message, due: int) -> bool:
        """Keep a new message until that time (ms of the epoch); tells whether that needs the disk."""
        queue = self.queue
        queued = QueuedMessage(message, queue.lane, self._take_row())
        queued.state = DELAYED
        if queue.kept and message.properties.persistent:
            queued.stored = DURABLE
            queue.store.insert_delayed(queued, due, 0)
        self._keep(due, queued, 0)
        return queued.stored == DURABLE

    def postpone(self, queued: QueuedMessage, due: int) -> None:
        """A message that came back returns to its place at that time."""
        place = queued.row
        queued.row = self._take_row()
        queued.state = DELAYED
        if queued.stored:
            self.queue.store.move(queued, place, due, place)
        self._keep(due, queued, place)

    def _take_row(self) -> int:
        row = self._next_row
        self._next_row = row + 1
        return row

    def _keep(self, due: int, queued: QueuedMessage, place: int) -> None:
        self.count += 1
        self.size += queued.message.size
        if self._on_disk and (due, queued.row) > self._horizon:
            self._leave(due, queued, place)
            return
        self._push(due, queued, place)
        most = self._most_bytes()
        if (len(self._heap) > HEAP_MESSAGES or self._bytes > most) and self.queue.store.pages:
            self._trim(most)
        self._arm(due)

    def _most_bytes(self) -> int:
        memory = self.queue.broker.memory
        return HEAP_BYTES if memory.used <= memory.limit else memory.least(self._bytes)

    def _push(self, due: int, queued: QueuedMessage, place: int) -> None:
        heapq.heappush(self._heap, (due, queued.row))
        self._waiting[queued.row] = (due, queued, place)
        self._account(queued.message.size + OVERHEAD)

    def _account(self, size: int) -> None:
        self._bytes += size
        self.queue.broker.memory.used += size

    def _trim(self, most: int) -> None:
        """Leave to the store what is due last, until half of what memory may hold is left."""
        heap = sorted((entry[0], row) for row, entry in self._waiting.items())
        keep = size = 0
        while keep < len(heap) and keep < HEAP_MESSAGES // 2 and (keep == 0 or size < most // 2):
            size += self._waiting[heap[keep][1]][1].message.size + OVERHEAD
            keep += 1
        for _, row in heap[keep:]:
            self._leave(*self._waiting.pop(row))
        # What is sorted is a heap. The list stays the same one: a release that led here goes on with it.
        self._heap[:] = heap[:keep]
        self._account(size - self._bytes)
        self._horizon = heap[keep - 1]

    def _leave(self, due: int, queued: QueuedMessage, place: int) -> None:
        """To the store alone."""
        self._on_disk += 1
        if queued.stored == IN_MEMORY:
            queued.stored = SPILLED
            self.queue.spilled = True
            self.queue.store.insert_delayed(queued, due, place)

    # ------------------------------------------------------------------ out

    def work(self, most: int) -> int:
        """Release at most so many messages whose time has come; tells how many. Raises StoreError."""
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
        """What waits in memory under that row waits no more."""
        entry = self._waiting.pop(row, None)
        if entry is not None:
            self._account(-entry[1].message.size - OVERHEAD)
        return entry

    def _wants_refill(self) -> bool:
        if self._on_disk <= 0 or len(self._heap) >= HEAP_LOW:
            return False
        return not self._heap or self._bytes < self._most_bytes()

    def _go_on(self, now: int) -> None:
        if self._wants_refill() or (self._heap and self._heap[0][0] <= now):
            self.queue.broker.wants_work(self)
        elif self._heap:
            self._arm(self._heap[0][0])

    def _release(self, queued: QueuedMessage, place: int, due: int) -> None:
        queue = self.queue
        self.count -= 1
        self.size -= queued.message.size
        if not place and queued.message.properties.mentions(SCHEDULE_MARK):
            schedule = schedule_in(queued.message)
            if schedule is not None:
                self._repeat(queued, schedule, due)
                return
        if not place and is_kept_back(queue, queued.message):
            self._bring_again(queued)
            return
        queue.expect(queued.message)
        waited_at = queued.row
        queued.state = READY
        lane = next((lane for lane in queue.lanes if lane.lane_id == place >> POSITION_BITS), None) if place else None
        if lane is not None and place > lane.cleared_to:
            queued.lane = lane
            queued.row = place
        else:
            queued.lane = lane = queue.lane_for(queued.message)
            queued.row = lane.next_row
            lane.next_row += 1
            if not place:
                # Its time to live begins when it is in the queue.
                queue.expiry.stamp(queued)
        if queued.stored:
            queue.store.move(queued, waited_at)
        if queued.row == place:
            queue.come_back(queued)
        else:
            enter(queue, queued)

    def _repeat(self, queued: QueuedMessage, schedule: Schedule, due: int) -> None:
        """Wait on for the next time, if there is one, and leave a copy in the queue."""
        store = self.queue.store
        # Nobody was handed the message itself, so that the number of its deliveries can be that of its repeats.
        following, queued.deliveries = schedule.following(due, queued.deliveries, self._now())
        if following:
            if queued.stored:
                store.move(queued, queued.row, following)
            self._keep(following, queued, 0)
        else:
            queued.state = GONE
            if queued.stored:
                store.delete(queued)
        put_copy(self.queue, queued)

    def _bring_again(self, queued: QueuedMessage) -> None:
        """A dead letter that nobody took: on to its exchange, or wait on."""
        store = self.queue.store
        again = bring_again(self.queue, queued)
        if again:
            if queued.stored:
                store.move(queued, queued.row, again)
            self._keep(again, queued, 0)
            return
        queued.state = GONE
        if queued.stored:
            store.delete(queued)

    def _refill(self) -> None:
        found = self.queue.store.read_delayed(
            self.lane_id, self._horizon, READ_MESSAGES, min(READ_BYTES, self._most_bytes())
        )
        for stored in found:
            self._push(stored.due, self._revive(stored), stored.place)
        if found:
            self._horizon = (found[-1].due, found[-1].row)
            self._on_disk -= len(found)
        if not found or self._on_disk < 0:
            # The count after a failure is an estimate; what the store has is not.
            self._on_disk = 0
            self.count = len(self._waiting)
            self.size = sum(queued.message.size for _, queued, _ in self._waiting.values())

    def _revive(self, stored: StoredMessage) -> QueuedMessage:
        message = stored.message
        # Without a place to return to they are repeats.
        if stored.deliveries and stored.place and self.queue.settings.counts_deliveries:
            message = counted(message, stored.deliveries)
        queued = QueuedMessage(message, self.queue.lane, stored.row)
        queued.state = DELAYED
        queued.stored = stored.stored
        queued.deliveries = stored.deliveries
        queued.expires_at = stored.expires_at
        return queued

    # ------------------------------------------------------------------ the rest

    def survivors(self) -> tuple[int, int] | None:
        """How many messages outlive a restart, and the bytes of their bodies; None: only the store knows."""
        if self.queue.spilled:
            return None
        transient = [queued for _, queued, _ in self._waiting.values() if queued.stored != DURABLE]
        return self.count - len(transient), self.size - sum(queued.message.size for queued in transient)

    def lost(self, queued: QueuedMessage) -> None:
        """The store could not keep this message, and its producer will be told so."""
        queued.state = GONE
        if self._take_out(queued.row) is None:
            self._on_disk -= 1
        self.count -= 1
        self.size -= queued.message.size

    def clear(self) -> int:
        """Drop everything that waits; tells how many messages that was."""
        count = self.count
        first_row = self.lane_id << POSITION_BITS
        if self.queue.kept or self.queue.spilled:
            self.queue.store.drop_rows(first_row + 1, self._next_row - 1)
        self._forget()
        return count

    def stop(self) -> None:
        """The queue is gone."""
        self._forget()
        self.queue.give_up_lane(self.lane_id)

    def _forget(self) -> None:
        for _, queued, _ in self._waiting.values():
            queued.state = GONE
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
        self._timer = self.queue.broker.timetable.after(min(seconds, LOOK_SECONDS), self._fire)

    def _fire(self) -> None:
        self._armed_for = 0
        self._timer = None
        self._go_on(self._now())
