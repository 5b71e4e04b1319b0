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

from typing import TYPE_CHECKING, NamedTuple

from batonmq.broker.features.dead_letters import counted, is_kept_back
from batonmq.broker.features.due_heap import HEAP_BYTES, DueHeap, Entry
from batonmq.broker.features.publish_headers import schedule_in
from batonmq.broker.features.schedules import SCHEDULE_MARK
from batonmq.broker.model.scheduler import WORK
from batonmq.errors import NotFound, ResourceError
from batonmq.queued import DURABLE, IN_MEMORY, SPILLED, QueuedMessage
from batonmq.store.records import DELAY_LANE, POSITION_BITS, POSITION_MASK

if TYPE_CHECKING:
    from batonmq.broker.features.schedules import Schedule
    from batonmq.broker.lanes.state import QueueState
    from batonmq.broker.model.timetable import Timer
    from batonmq.message import Message
    from batonmq.store.records import LaneRecord, StoredMessage

# With fewer messages in memory more are read: 256 messages take about 1.5 ms.
HEAP_LOW = 128
READ_MESSAGES = 256
READ_BYTES = 1 << 20
# The longest time between two looks at the wall clock, in seconds.
LOOK_SECONDS = 60.0

# Rows begin anew at each opening at a number that no earlier one has reached, unless more than so many messages came in
# each millisecond of its life: so a row, which people name a message by, never comes to mean another one.
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
    """Nothing waits under that number (any more)."""
    return NotFound(f"no delayed message '{number}' in queue '{queue.name}' in vhost '{queue.vhost_name}'")


class Delays:
    """The delayed messages of a queue, the next due first."""

    __slots__ = (
        "_armed_for",
        "_first_row",
        "_heap",
        "_horizon",
        "_next_row",
        "_on_disk",
        "_timer",
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
        begin = self._first_row + min(self._now() * ROWS_A_MILLISECOND, POSITION_MASK >> 1)
        self._next_row = max(record.last_row if record is not None else 0, begin) + 1
        self._heap = DueHeap(queue.scheduler.memory)
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

    # ------------------------------------------------------------------ out

    def work(self, most: int) -> int:
        """Release at most so many due messages; returns how many. Raises StoreError."""
        if self.queue.deleted:
            return 0
        now = self._now()
        heap = self._heap
        done = 0
        while done < most and 0 < heap.next_due <= now:
            entry = heap.pop()
            if entry is not None:
                due, queued, place = entry
                self._release(queued, place, due)
                done += 1
        if self._wants_refill() and done < most:
            self._refill()
            done += READ_MESSAGES // 2
        self._go_on(now)
        return done

    def _wants_refill(self) -> bool:
        if self._on_disk <= 0 or len(self._heap) >= HEAP_LOW:
            return False
        return not len(self._heap) or self._heap.bytes < self._most_bytes()

    def _go_on(self, now: int) -> None:
        due = self._heap.next_due
        if self._wants_refill() or 0 < due <= now:
            self.queue.scheduler.soon(WORK, self.work)
        elif due:
            self._arm(due)

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
            self._heap.push(stored.due, self._revive(stored), stored.return_row)
        if found:
            self._horizon = (found[-1].due, found[-1].row)
            self._on_disk -= len(found)
        if not found or self._on_disk < 0:
            # After a failure the count is an estimate: the store knows better.
            self._on_disk = 0
            sizes = [queued.message.weight for queued in self._heap.messages()]
            self.count, self.size = len(sizes), sum(sizes)

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

    # ------------------------------------------------------------------ looked at, and changed by hand

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
        return found + [self._shown(entry.due, self._revive(entry), entry.return_row) for entry in stored]

    def _shown(self, due: int, queued: QueuedMessage, place: int) -> Waiting:
        message = queued.message
        schedule = None
        if not place and message.properties.mentions(SCHEDULE_MARK):
            schedule = schedule_in(message)
        is_dead = not place and is_kept_back(self.queue, message)
        return Waiting(queued.row - self._first_row, due, queued, bool(place), schedule, is_dead)

    def cancel(self, number: int) -> bool:
        """Drop the message of that number; False: it may be in the store, which cannot be read now.

        Raises NotFound, StoreError.
        """
        entry = self._take(number)
        if entry is None:
            return False
        _, queued, place = entry
        self.count -= 1
        self.size -= queued.message.weight
        queued.leave()
        if queued.stored:
            self.queue.store.delete(queued)
            self.queue.store.changed()
        if place:
            # It was counted when it took its place in the queue.
            self.queue.has_purged(1)
        return True

    def deliver(self, number: int) -> bool:
        """Do with the message of that number what is done when it is due; False as ``cancel``.

        Of a repeated message a copy is delivered; its schedule stays as it is. Raises NotFound, StoreError, and
        ResourceError when the full queue does not take the copy.
        """
        entry = self._find(number)
        if entry is None:
            return False
        due, queued, place = entry
        schedule = schedule_in(queued.message) if not place else None
        if schedule is not None:
            if not self.queue.copy_in(queued, is_owed=False):
                raise ResourceError(f"queue '{self.queue.name}' is full")
        else:
            self._forget_one(queued)
            self._release(queued, place, due)
        self.queue.store.changed()
        return True

    def _take(self, number: int) -> Entry | None:
        entry = self._find(number)
        if entry is not None:
            self._forget_one(entry[1])
        return entry

    def _forget_one(self, queued: QueuedMessage) -> None:
        if self._heap.take_out(queued.row) is None:
            self._on_disk -= 1

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

    # ------------------------------------------------------------------ the rest

    def survivors(self) -> tuple[int, int]:
        """The number and bytes of the messages that survive a restart, if no transient one was written to the store."""
        transient = [queued for queued in self._heap.messages() if queued.stored != DURABLE]
        return self.count - len(transient), self.size - sum(queued.message.weight for queued in transient)

    def lost(self, queued: QueuedMessage) -> None:
        """Remove a message that the store could not keep; its producer will be told."""
        queued.leave()
        if self._heap.take_out(queued.row) is None:
            self._on_disk -= 1
        self.count -= 1
        self.size -= queued.message.weight

    def stop(self) -> None:
        """Stop: the queue is deleted."""
        self._forget()
        self.queue.give_up_lane(self.lane_id)

    def _forget(self) -> None:
        self._heap.clear()
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
