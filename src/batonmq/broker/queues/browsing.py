"""Shows the ready messages of a queue, in memory and in the store, without taking them.

A ``Walk`` goes along a queue in slices, without messages that came after it began, so that it ends. A ``Browser`` is a
walk for a client; moving and purging by selection (``sweep.py``) take the messages that a walk shows out of the queue.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from itertools import islice
from operator import attrgetter
from typing import TYPE_CHECKING, NamedTuple

from batonmq.queued import GONE

if TYPE_CHECKING:
    from batonmq.broker.lanes.lane import Lane
    from batonmq.broker.model.consumer import Selector
    from batonmq.broker.queues.queue import Queue
    from batonmq.message import Message
    from batonmq.queued import QueuedMessage
    from batonmq.store.records import StoredMessage

# One step checks this many messages, or reads this many bytes from the store: 2 to 5 ms.
STEP_MESSAGES = 500
STEP_BYTES = 1 << 20
# The time of one step with a selector, in seconds: with long headers a single message may take tenths of a second.
STEP_SECONDS = 0.004
# The time of a step that only browses: 1 ms. It is less urgent than taking messages out, and must not delay others.
LOOK_MESSAGES = 100
LOOK_BYTES = 256 << 10
LOOK_SECONDS = 0.001

row_of = attrgetter("row")


class Walk:
    """Goes through all messages that are ready in a queue now, in the order of their delivery."""

    __slots__ = ("_ahead", "_queue")

    def __init__(self, queue: Queue) -> None:
        self._queue = queue
        # Each lane with the last row that was seen and the row at which to stop.
        self._ahead = deque((lane, lane.first_row, lane.next_row - 1) for lane in queue.lanes)

    @property
    def finished(self) -> bool:
        """Has every message been seen?"""
        return not self._ahead or self._queue.deleted

    def step(
        self, most: int = STEP_MESSAGES, most_bytes: int = STEP_BYTES
    ) -> list[tuple[Lane, QueuedMessage | StoredMessage]] | None:
        """The next few messages, possibly none; None: they are in the store, which is busy. Raises StoreError."""
        if self.finished:
            return []
        lane, after, last = self._ahead[0]
        ready = lane.ready
        start = bisect_right(ready, after, key=row_of)
        window = [queued for queued in islice(ready, start, start + most) if queued.row <= last]
        if window:
            self._ahead[0] = (lane, window[-1].row, last)
            return [(lane, queued) for queued in window if queued.state != GONE]
        after = max(after, lane.horizon)
        if lane.paged and after < last:
            if lane.store.busy:
                return None
            stored = lane.store.read(after, last, most, most_bytes)
            if stored:
                self._ahead[0] = (lane, stored[-1].row, last)
                return [(lane, entry) for entry in stored if entry.row not in lane.held]
        self._ahead.popleft()
        return []

    def back_to(self, lane: Lane, row: int) -> None:
        """Go back to this row: the messages behind it are returned again by the next step."""
        self._ahead[0] = (lane, row, self._ahead[0][2])


class Browsed(NamedTuple):
    """A message as a browser sees it."""

    message: Message
    return_count: int
    """How often the message came back from a consumer, counted returns only."""
    returns: int
    """How often the message was delivered and came back, counted or not; 0: no consumer has had it."""
    expires_at: int
    """When the message expires, in milliseconds since the epoch; 0: never."""
    position: int
    """Its position among the ready messages when the browser began; the head is 1."""


class Browser:
    """A cursor over the ready messages of a queue. It takes none of them; others may consume them meanwhile."""

    __slots__ = ("_found", "_queue", "_seen", "_selector", "_walk")

    def __init__(self, queue: Queue, selector: Selector | None = None) -> None:
        self._queue = queue
        self._selector = selector
        self._walk = Walk(queue)
        self._found: deque[Browsed] = deque()
        # How many messages were checked.
        self._seen = 0

    @property
    def finished(self) -> bool:
        """Has it returned every message that was ready when it began?"""
        return self._walk.finished and not self._found

    def read(self, most: int) -> list[Browsed]:
        """The next messages, not more than ``most`` or about a mebibyte, in about a millisecond. Raises StoreError.

        Empty, and not ``finished``: call again, preferably from ``Scheduler.call``. Expired messages are left out.
        """
        found = self._found
        clock = self._queue.scheduler.clock
        now = self._queue.scheduler.now()
        until = clock.monotonic() + LOOK_SECONDS
        for _ in range(2):
            if len(found) >= most or clock.monotonic() > until:
                break
            entries = self._walk.step(LOOK_MESSAGES, LOOK_BYTES)
            if entries is None:
                break
            for lane, entry in entries:
                if entry.expires_at and entry.expires_at <= now:
                    continue
                self._seen += 1
                if self._selector is None or self._selector.matches(entry.message):
                    found.append(
                        Browsed(entry.message, entry.return_count, entry.returns, entry.expires_at, self._seen)
                    )
                if self._selector is not None and clock.monotonic() > until:
                    self._walk.back_to(lane, entry.row)
                    break
        shown: list[Browsed] = []
        size = 0
        while found and len(shown) < most and size < STEP_BYTES:
            shown.append(found.popleft())
            size += shown[-1].message.weight
        return shown
