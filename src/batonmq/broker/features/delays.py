"""Delayed messages: published with a delay, or given back and waiting for a retry.

They are in a lane of their own (``DelayLane``), where a row is no place in the queue.

When a message is due it moves to another row, in one transaction: to the tail of the queue, or to its old place if it
came back. A repeated message stays, with its next time, and a copy of it goes to the tail, also in one transaction.
There is one timer for each queue, for the first message. Due messages are released in slices, a few milliseconds a turn
for all queues together, so that a hundred thousand messages that are due in the same second hold up nobody. The wall
clock counts, and is looked at once a minute at least, so that a machine that slept, or whose clock was set, is right.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from batonmq.broker.features.delay_lane import READ_MESSAGES, DelayLane
from batonmq.broker.features.publish_headers import schedule_in
from batonmq.broker.features.schedules import SCHEDULE_MARK
from batonmq.broker.model.scheduler import WORK
from batonmq.errors import ResourceError
from batonmq.queued import DURABLE, IN_MEMORY, QueuedMessage

if TYPE_CHECKING:
    from batonmq.broker.features.due_heap import Entry
    from batonmq.broker.features.schedules import Schedule
    from batonmq.broker.lanes.state import QueueState
    from batonmq.broker.model.timetable import Timer
    from batonmq.message import Message
    from batonmq.store.records import LaneRecord

# The longest time between two checks of the wall clock, in seconds.
LOOK_SECONDS = 60.0


class Delays(DelayLane):
    """The delayed messages of a queue, the next due first."""

    __slots__ = ("_armed_for", "_timer")

    def __init__(self, queue: QueueState, record: LaneRecord | None = None) -> None:
        """``record``: what the store has of the lane. Raises StoreError when there are no lanes left."""
        super().__init__(queue, record)
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

    # ------------------------------------------------------------------ out

    def work(self, most: int) -> int:
        """Release at most that many due messages; returns how many. Raises StoreError."""
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

    # ------------------------------------------------------------------ by hand

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
        """Treat the message of that number as due now; False as for ``cancel``.

        For a repeated message a copy is delivered, and its schedule is unchanged. Raises NotFound, StoreError, and
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

    # ------------------------------------------------------------------ the rest

    def stop(self) -> None:
        """Stop: the queue is deleted, or its broker closed."""
        self._forget_all()
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
