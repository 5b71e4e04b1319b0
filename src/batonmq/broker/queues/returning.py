"""Returns of thousands of messages, as when a channel closes: they go back piece by piece, a share in each turn.

At once, 50,000 messages take 60 ms, during which no other queue is served. A message that is not back yet counts as
held, as if its client gave it back later. So a crash, an ack timeout and the counters find each message in one place.

The last message goes back first, and each is put before the head. The queue delivers nothing until all are back, so
consumers see the usual order. Messages that leave the queue instead, for a limit or an expiry, leave in the order of
delivery, before the others go back. Whatever takes messages from the queue by itself calls ``finish`` first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from batonmq.broker.model.scheduler import RETURN
from batonmq.broker.queues.requeue import leaves, requeue
from batonmq.queued import HELD

if TYPE_CHECKING:
    from batonmq.broker.queues.featured import FeaturedQueue
    from batonmq.queued import QueuedMessage

AT_ONCE: Final = 1_000
"""The largest number of messages that are returned at once, which takes about 1 ms."""


class Return:
    """The messages of one release, and its arguments."""

    __slots__ = ("_looked", "failed", "held", "is_counted", "wanted")

    def __init__(self, held: list[QueuedMessage], wanted: int | None, *, failed: bool, is_counted: bool) -> None:
        self.held = held
        self.wanted = wanted
        self.failed = failed
        self.is_counted = is_counted
        # Messages before this index will not leave the queue.
        self._looked = 0

    def take(self, queue: FeaturedQueue, most: int) -> list[QueuedMessage]:
        """Take up to ``most`` messages from the end; before that, check them, and take those that leave the queue."""
        held = self.held
        begin = self._looked
        if begin < len(held):
            self._looked = end = min(begin + most, len(held))
            piece = held[begin:end]
            leaving = [
                queued
                for queued in piece
                if queued.state != HELD
                or leaves(queue, queued, self.wanted, failed=self.failed, counts=self.is_counted)
            ]
            if leaving:
                gone = set(map(id, leaving))
                staying = [queued for queued in piece if id(queued) not in gone]
                held[begin:end] = staying
                self._looked = begin + len(staying)
            return leaving
        piece = held[-most:]
        del held[-most:]
        self._looked = len(held)
        return piece

    def put_back(self, taken: list[QueuedMessage]) -> None:
        """Put messages back whose return has failed, for the next attempt."""
        self.held[self._looked : self._looked] = taken


class Returning:
    """The unfinished returns of one queue."""

    __slots__ = ("_waiting", "queue")

    def __init__(self, queue: FeaturedQueue) -> None:
        self.queue = queue
        # Oldest first.
        self._waiting: list[Return] = []

    def add(self, held: list[QueuedMessage], wanted: int | None, *, failed: bool, is_counted: bool) -> None:
        """Return these messages, in the order of delivery, with the arguments of ``requeue``."""
        self._waiting.append(Return(list(held), wanted, failed=failed, is_counted=is_counted))
        self.go_on()

    def work(self, most: int) -> int:
        """Return or check up to ``most`` messages; returns ``most``, or 0 if there are none."""
        if not self._waiting:
            return 0
        first = self._waiting[0]
        self._give_back(first, most)
        if not first.held:
            del self._waiting[0]
        if self._waiting:
            self.go_on()
        else:
            self.queue.has_returned()
        return most

    def finish(self) -> None:
        """Return all messages now."""
        while self._waiting:
            first = self._waiting[0]
            while first.held:
                self._give_back(first, len(first.held))
            del self._waiting[0]
        self.queue.has_returned()

    def stop(self) -> None:
        """Stop: the broker is closed."""
        self._waiting.clear()

    def _give_back(self, of: Return, most: int) -> None:
        queue = self.queue
        # After an ack timeout the message is another object.
        piece = [queued for queued in of.take(queue, most) if queued.state == HELD]
        try:
            requeue(queue, piece, of.wanted, failed=of.failed, is_counted=of.is_counted)
        except BaseException:
            # The next attempt includes them.
            of.put_back([queued for queued in piece if queued.state == HELD])
            raise

    def go_on(self) -> None:
        """Continue in the next turn."""
        self.queue.scheduler.soon(RETURN, self.work, is_possible=True)
