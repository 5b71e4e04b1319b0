"""Selective dispatch: for each message a consumer is sought that may have it.

A queue dispatches like this while one of its consumers has a selector, or once it has met a message of a group. Each
consumer looks along the queue from its own cursor and takes messages that it may have out of the middle. Messages that
no consumer may have stay where they are, in nobody's way:

    window (ready) ............ horizon ............ in the store only ............ next_row
         ^ cursor of A, of B                 ^ cursor of C: reads on in slices, leaves there what it does not take

A cursor has seen everything before it. Messages that it has passed and that its consumer may still get are noted in the
seat: those that came back (``again``), and the first of each group that another consumer held (``behind``).
"""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING

from batonmq.broker.features.expiry import NOW_OR_NEVER
from batonmq.broker.features.groups import Groups, group_of
from batonmq.broker.features.refusals import Refusals
from batonmq.broker.features.retry import is_given_up
from batonmq.broker.features.searching import Search
from batonmq.broker.model.scheduler import CALL
from batonmq.queued import DURABLE, QueuedMessage

if TYPE_CHECKING:
    from batonmq.broker.lanes.lane import Lane
    from batonmq.broker.lanes.state import QueueState
    from batonmq.broker.model.consumer import Consumer
    from batonmq.store.records import StoredMessage

# If more messages came back, a consumer looks at the whole queue again instead of at each of these.
AGAIN_MAX = 1_000
# How often a queue checks whether a client that is not one of its consumers has settled a group, in seconds.
LOOK_SECONDS = 0.05


class Seat:
    """How far one consumer has looked along one lane."""

    __slots__ = ("again", "behind", "cursor")

    def __init__(self, row: int) -> None:
        self.cursor = row
        self.behind: dict[str, int] = {}
        self.again: list[int] = []


class Selection:
    """The selective dispatch of one queue. None in place of a consumer: the clients that fetch one by one."""

    __slots__ = ("_groups", "_is_looking", "_refusals", "_search", "_seats", "is_fetching", "is_grouped", "queue")

    def __init__(self, queue: QueueState, *, is_grouped: bool = False) -> None:
        self.queue = queue
        # Has the queue met a message of a group? Then it stays selective.
        self.is_grouped = is_grouped
        self._groups = Groups()
        self._refusals = Refusals()
        self._search = Search(queue)
        self._seats: dict[Lane, dict[Consumer | None, Seat]] = {}
        # Is a timer set that checks whether a group has become free?
        self._is_looking = False
        # Did a fetch end before it had checked the whole queue?
        self.is_fetching = False

    # ------------------------------------------------------------------ hand-over

    def group(self) -> None:
        """A message of a group has come: the queue stays selective from now on."""
        self.is_grouped = True

    def refuse(self, row: int, consumer: Consumer) -> None:
        """Do not give the consumer the message of that row again while it subscribes."""
        self._refusals.note(row, consumer, self._may_be_waiting)

    def _may_be_waiting(self, row: int) -> bool:
        lane = self.queue.lane_at(row)
        return lane is not None and (row > lane.horizon or lane.at(row) is not None)

    @property
    def is_needed(self) -> bool:
        """Is selective dispatch needed although no consumer has a selector?"""
        return self.is_grouped or bool(self._refusals)

    def held_groups(self, most: int) -> list[tuple[str, Consumer | None]]:
        """Groups with held messages, and their holders; None: a client that fetches one by one."""
        return self._groups.held(most)

    @property
    def has_seen_all(self) -> bool:
        """Did the last dispatch check all ready messages?"""
        return not (self._search.is_unfinished or self._search.is_broken)

    def begin(self) -> None:
        """Begin to dispatch: call ``next`` until it returns None, then ``end``."""
        self._search.begin()

    def next(self) -> tuple[Consumer, QueuedMessage] | None:
        """The next consumer and its message, now held; None: no consumer with room may have any."""
        for consumer in self._in_turn():
            queued = self._take(consumer)
            if queued is not None:
                return consumer, queued
        return None

    def end(self) -> None:
        """End the dispatch; the rest is done later."""
        self._end()
        if self.queue.ready_consumers.count:
            self._go_on()

    def _go_on(self) -> None:
        queue = self.queue
        if self._search.is_broken:
            queue.scheduler.timetable.after(1.0, queue.touch)
        elif self._search.is_unfinished:
            queue.scheduler.soon(CALL, queue.touch)
        elif not self._is_looking and self.is_grouped and self._groups.held_by_others(queue.consumers):
            self._is_looking = True
            queue.scheduler.timetable.after(LOOK_SECONDS, self._look)

    def _look(self) -> None:
        self._is_looking = False
        self.queue.touch()

    def _in_turn(self) -> list[Consumer]:
        """The consumers with room, in the order in which they are served."""
        queue = self.queue
        takers: list[Consumer] = []
        for consumer in list(queue.ready_consumers):
            if consumer.has_room():
                takers.append(consumer)
            else:
                queue.pass_over(consumer)
        if len(takers) > 1:
            takers.sort(key=lambda consumer: -consumer.priority)
        return takers

    def fetch(self) -> QueuedMessage | None:
        """Take one message for a client that fetches; None: there is none for it."""
        if not self.is_fetching:
            # A fetch begins at the head: clients that fetch have no place in the queue.
            for seats in self._seats.values():
                seats.pop(None, None)
        self._search.begin()
        queued = self._take(None)
        self._end()
        self.is_fetching = queued is None and self._search.is_unfinished
        if self.is_fetching:
            self._go_on()
        return queued

    def _end(self) -> None:
        self._search.end()
        for lane in self._seats:
            lane.forget_settled()

    def _take(self, consumer: Consumer | None) -> QueuedMessage | None:
        """Take the next message that the consumer may have; it then holds it."""
        queue = self.queue
        for lane in queue.lanes:
            seats = self._seats.setdefault(lane, {})
            seat = seats.get(consumer)
            if seat is None:
                seat = seats[consumer] = Seat(lane.first_row)
            while (entry := self._find(lane, seat, consumer)) is not None:
                queued = lane.take(entry)
                if queued.expires_at > NOW_OR_NEVER and queued.expires_at <= queue.scheduler.now():
                    queue.discard(queued, "expired")
                    continue
                if is_given_up(queue, queued):
                    continue
                self._hand_over(queued, consumer)
                return queued
        return None

    def _hand_over(self, queued: QueuedMessage, consumer: Consumer | None) -> None:
        queue = self.queue
        queued.hold(consumer)
        queue.handed_out(1)
        if queued.returns:
            queue.redelivered(1)
        if consumer is not None and consumer.no_ack:
            return
        if self._refusals:
            self._refusals.handed_out(queued)
        if queued.stored == DURABLE:
            queue.store.hold(queued)
        self.reclaimed(queued, consumer)

    def reclaimed(self, queued: QueuedMessage, consumer: Consumer | None) -> None:
        """Note that the holder has the message, and with it the group."""
        queue = self.queue
        group = group_of(queued.message, queue.settings.group_header) if self.is_grouped else None
        if group is not None:
            self._groups.taken(group, queued, consumer)

    # ------------------------------------------------------------------ looking

    def _find(self, lane: Lane, seat: Seat, consumer: Consumer | None) -> QueuedMessage | StoredMessage | None:
        return (
            self._find_again(lane, seat, consumer)
            or self._find_behind(lane, seat, consumer)
            or self._find_ahead(lane, seat, consumer)
        )

    def _is_for(self, entry: QueuedMessage | StoredMessage, consumer: Consumer | None) -> bool:
        """May this consumer have the message, by its selector and its refusals?"""
        if self._refusals and self._refusals.is_refused(entry.row, consumer):
            return False
        return self._search.is_wanted(entry.message, consumer)

    def _find_again(self, lane: Lane, seat: Seat, consumer: Consumer | None) -> QueuedMessage | StoredMessage | None:
        """Look among the messages that came back."""
        while seat.again:
            row = seat.again[0]
            entry = next(self._search.entries(lane, row - 1, row), None)
            if entry is None and self._search.is_cut:
                return None
            heapq.heappop(seat.again)
            if entry is not None and self._is_for(entry, consumer):
                return entry
        return None

    def _find_behind(self, lane: Lane, seat: Seat, consumer: Consumer | None) -> QueuedMessage | StoredMessage | None:
        """Look among the groups that others held when the cursor passed, and no longer hold."""
        for group, first in list(seat.behind.items()):
            if not self._groups.may_take(group, consumer):
                continue
            entry = self._first_of(group, first, lane, seat, consumer)
            if entry is not None:
                return entry
            if self._search.is_unfinished:
                return None
        return None

    def _first_of(
        self, group: str, first: int, lane: Lane, seat: Seat, consumer: Consumer | None
    ) -> QueuedMessage | StoredMessage | None:
        """The first message of a group between a row and the cursor."""
        header = self.queue.settings.group_header
        for entry in self._search.entries(lane, first - 1, seat.cursor):
            if group_of(entry.message, header) == group and self._is_for(entry, consumer):
                # The messages that follow it are still behind the cursor.
                seat.behind[group] = entry.row
                return entry
            seat.behind[group] = entry.row + 1
        if not self._search.is_cut:
            del seat.behind[group]
        else:
            seat.behind[group] = max(seat.behind[group], self._search.cut_at + 1)
        return None

    def _find_ahead(self, lane: Lane, seat: Seat, consumer: Consumer | None) -> QueuedMessage | StoredMessage | None:
        """Look from the cursor on."""
        header = self.queue.settings.group_header
        for entry in self._search.entries(lane, seat.cursor, lane.last_row):
            group = group_of(entry.message, header) if self.is_grouped else None
            seat.cursor = entry.row
            if group is not None and (group in seat.behind or not self._groups.may_take(group, consumer)):
                # If the group has become free meanwhile, its messages that were passed come first.
                seat.behind.setdefault(group, entry.row)
                if self._groups.may_take(group, consumer):
                    earlier = self._first_of(group, seat.behind[group], lane, seat, consumer)
                    if earlier is not None:
                        return earlier
                continue
            if self._is_for(entry, consumer):
                return entry
        seat.cursor = max(seat.cursor, self._search.cut_at if self._search.is_cut else lane.next_row - 1)
        return None

    # ------------------------------------------------------------------ what changes

    def came_back(self, queued: QueuedMessage, lane: Lane) -> None:
        """A message is ready again at its old place: consumers whose cursors have passed it look at it again."""
        group = group_of(queued.message, self.queue.settings.group_header) if self.is_grouped else None
        self._search.came_back()
        self._refusals.came_back(queued.row)
        for seat in self._seats.get(lane, {}).values():
            if queued.row > seat.cursor:
                continue
            if group is not None:
                seat.behind[group] = min(seat.behind.get(group, queued.row), queued.row)
                continue
            heapq.heappush(seat.again, queued.row)
            if len(seat.again) > AGAIN_MAX:
                seat.cursor = seat.again[0] - 1
                seat.again.clear()
                seat.behind = {name: row for name, row in seat.behind.items() if row <= seat.cursor}

    def consumers_changed(self, gone: Consumer | None = None) -> None:
        """A consumer subscribed or left."""
        if gone is not None:
            for seats in self._seats.values():
                seats.pop(gone, None)
            if self._refusals:
                self._refusals.forget(gone)
        self._groups.rebalance()
        self.queue.touch()
