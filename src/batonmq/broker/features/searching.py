"""Searches a lane for messages, in the window and in the store, some at a time.

A long search does not block the loop: it stops early, reports that, and continues later.
"""

from __future__ import annotations

import logging
from bisect import bisect_right
from operator import attrgetter
from typing import TYPE_CHECKING

from batonmq.errors import StoreError
from batonmq.queued import GONE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from batonmq.broker.lanes.lane import Lane
    from batonmq.broker.lanes.state import QueueState
    from batonmq.broker.model.consumer import Consumer
    from batonmq.message import Message
    from batonmq.queued import QueuedMessage
    from batonmq.store.records import StoredMessage

log = logging.getLogger("batonmq.broker")

# How many messages a queue checks in one go: a selector takes about 5 us.
LOOKS = 1_000
# For how long, in seconds, since a selector over a long header may take tenths of a second.
LOOK_MAX = 0.01
# The most messages that one go reads from the store.
SLICE_MESSAGES = 500
SLICE_BYTES = 1 << 20

row_of = attrgetter("row")


class Search:
    """The limits of one go of a queue's selective dispatch, for all its consumers together."""

    __slots__ = (
        "_looks",
        "_slice",
        "_slice_after",
        "_slice_is_last",
        "_slice_lane",
        "_until",
        "cut_at",
        "is_broken",
        "is_cut",
        "is_unfinished",
        "queue",
    )

    def __init__(self, queue: QueueState) -> None:
        self.queue = queue
        self._looks = 0
        self._until = 0.0
        # Is there more to check than this go did? Could the store not be read?
        self.is_unfinished = False
        self.is_broken = False
        # Did the last search end early, and at which row?
        self.is_cut = False
        self.cut_at = 0
        # The messages read from the store in this go, for all consumers that have come that far.
        self._slice: list[StoredMessage] = []
        self._slice_lane: Lane | None = None
        self._slice_after = 0
        self._slice_is_last = False

    def begin(self) -> None:
        """Begin another go."""
        self._looks = LOOKS
        self._until = self.queue.scheduler.clock.monotonic() + LOOK_MAX
        self.is_unfinished = self.is_broken = False
        self._slice_lane = None

    def end(self) -> None:
        """Free the messages it has read."""
        self._slice_lane = None
        self._slice = []

    def came_back(self) -> None:
        """A message is back at its old place: what was read is out of date."""
        self._slice_lane = None

    def is_wanted(self, message: Message, consumer: Consumer | None) -> bool:
        """Does the consumer's selector match, if it has one?"""
        if consumer is None or consumer.selector is None:
            return True
        is_wanted = consumer.selector.matches(message)
        if self.queue.scheduler.clock.monotonic() > self._until:
            self._looks = 0
        return is_wanted

    def entries(self, lane: Lane, after: int, last: int) -> Iterator[QueuedMessage | StoredMessage]:
        """What is ready after a row and not after another, in order: in the window, then in the store.

        It ends early, and reports that, when this go has done enough or the store cannot be read now. The lane may only
        be changed after the iteration.
        """
        last = min(last, lane.next_row - 1)
        ready = lane.ready
        index = bisect_right(ready, after, key=row_of)
        while index < len(ready):
            queued = ready[index]
            index += 1
            if queued.row > last:
                self.is_cut = False
                return
            if self._looks <= 0:
                self._cut(queued.row - 1)
                return
            self._looks -= 1
            if queued.state != GONE:
                yield queued
        after = max(after, lane.horizon)
        while lane.paged and after < last:
            found = self._read(lane, after)
            if found is None:
                self._cut(after)
                return
            if not found:
                break
            for stored in found:
                after = stored.row
                if after > last:
                    break
                if self._looks <= 0:
                    self._cut(after - 1)
                    return
                self._looks -= 1
                if stored.row not in lane.held:
                    yield stored
        self.is_cut = False

    def _cut(self, row: int) -> None:
        """Note that a search ends early; everything up to this row was checked."""
        self.is_cut = self.is_unfinished = True
        self.cut_at = row

    def _read(self, lane: Lane, after: int) -> list[StoredMessage] | None:
        """The next messages of the store; None when it cannot be read in this go, [] when there are no more."""
        if self._slice_lane is lane and self._slice_after <= after:
            if not self._slice:
                return []
            if after < self._slice[-1].row:
                return self._slice[bisect_right(self._slice, after, key=row_of) :]
            if self._slice_is_last:
                return []
        store = self.queue.store
        if self._slice_lane is not None or store.busy:
            return None
        try:
            found = store.read(after, lane.last_row, SLICE_MESSAGES, SLICE_BYTES)
        except StoreError as error:
            log.error("%s; queue %r looks again in a second", error, self.queue.name)
            self.is_broken = True
            return None
        self._slice, self._slice_lane, self._slice_after = found, lane, after
        size = sum(stored.message.weight for stored in found)
        self._slice_is_last = len(found) < SLICE_MESSAGES and size < SLICE_BYTES
        return found
