"""A walk along a queue that takes messages out, in slices or at once.

A message that moves to another queue is inserted there and deleted here in one transaction of the store. After a crash
it is in one of the two queues, never in both or in neither.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from batonmq.broker.features.dead_letters import uncounted
from batonmq.broker.model.events import SWEEP_BEGUN, SWEEP_DONE, SWEEP_PROGRESS
from batonmq.broker.model.outcomes import REFUSED, STORED
from batonmq.broker.queues.browsing import STEP_SECONDS, Walk
from batonmq.broker.queues.requeue import put_back
from batonmq.errors import StoreError
from batonmq.message import Message

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from batonmq.broker.lanes.lane import Lane
    from batonmq.broker.model.consumer import Selector
    from batonmq.broker.queues.queue import Queue
    from batonmq.queued import QueuedMessage
    from batonmq.store.records import StoredMessage

# How often the progress of a sweep is reported, in seconds.
TELL_SECONDS = 1.0
# The reason for an early end: the other queue is full.
NO_ROOM = "there is no room for more where the messages should go"
# Beside the outcomes of publishing: the message cannot go anywhere, and stays where it is.
STAYS = 2


class Sweep(ABC):
    """Takes the selected messages out of a queue, and calls ``done`` once, when all is durable.

    ``start`` does it in the background, one slice per commit; ``run`` does it at once, in one commit.
    """

    verb = "purge"
    """Its name in events."""

    def __init__(
        self,
        queue: Queue,
        most: int | None,
        selector: Selector | None,
        done: Callable[[Sweep], None],
        *,
        to: str = "",
        user: str = "",
    ) -> None:
        """``most``: the largest number of messages to take; None: no limit.

        ``to`` is the name of the target queue, if there is one; ``user`` is the requester.
        """
        self.queue = queue
        self._to = to
        self._user = user
        # The number in its events, once it has begun, and the time of the last event.
        self._number = 0
        self._told = 0.0
        self.count = 0
        # Selected messages that could not go anywhere.
        self.skipped = 0
        # Why it ended early.
        self.error: str | None = None
        self._most = most
        self._selector = selector
        self._done = done
        self._walk = Walk(queue)
        # Messages taken but not committed yet, with their batch; and those that a failed batch has lost in their new
        # place, which come back.
        self._taken = 0
        self._undone: list[QueuedMessage] = []
        self._batch = 0

    @abstractmethod
    def take_over(self, message: Message) -> int:
        """Put the message into its new place: KEPT, or STORED if it is kept once the batch is committed.

        STAYS: it can go nowhere, and stays where it is; REFUSED: there is no room, and the sweep stops.
        """

    def taken(self, count: int) -> None:  # noqa: B027 (for whoever counts them)
        """Called with the number of further messages that have left the queue for good."""

    def start(self) -> None:
        """Begin. The sweep continues by itself, one slice per turn; events report it."""
        events = self.queue.scheduler.events
        self._number = events.last + 1
        self._tell(SWEEP_BEGUN)
        self._step()

    def _tell(self, kind: str) -> None:
        scheduler = self.queue.scheduler
        self._told = scheduler.clock.monotonic()
        details: dict[str, object] = {"count": self.count, "skipped": self.skipped}
        if self._to:
            details["to"] = self._to
        if self.error is not None:
            details["error"] = self.error
        scheduler.events.tell(
            kind,
            vhost=self.queue.vhost_name,
            user=self._user,
            operation=self.verb,
            sweep=self._number,
            queue=self.queue.name,
            **details,
        )

    def run(self) -> int:
        """Take them all now, for one commit; returns how many.

        For a host that has waited until the store can be read. Raises StoreError; messages taken before stay taken.
        """
        self.queue.finish_returns()
        try:
            while not self._is_over and (entries := self._walk.step()) is not None:
                self._take_of(entries)
        finally:
            # No more than this, whatever the outcome of the batch.
            self._most = self._taken
            self._wait_or_go_on()
        return self._most

    def _step(self) -> None:
        # Without it, messages would be taken out of order.
        self.queue.finish_returns()
        try:
            entries = self._walk.step()
        except StoreError as error:
            self._end(error.reason)
            return
        self._take_of(entries or ())
        self._wait_or_go_on()

    def _take_of(self, entries: Sequence[tuple[Lane, QueuedMessage | StoredMessage]]) -> None:
        """Take the selected messages."""
        clock = self.queue.scheduler.clock
        now = self.queue.scheduler.now()
        until = clock.monotonic() + STEP_SECONDS
        for lane, entry in entries:
            if self._most is not None and self.count + self._taken >= self._most:
                break
            if entry.expires_at and entry.expires_at <= now:
                # It has expired: in another queue its time would start over.
                continue
            if (self._selector is None or self._selector.matches(entry.message)) and not self._take(lane, entry):
                break
            if self._selector is not None and clock.monotonic() > until:
                self._walk.back_to(lane, entry.row)
                break

    def _take(self, lane: Lane, entry: QueuedMessage | StoredMessage) -> bool:
        outcome = self.take_over(uncounted(self.queue, entry))
        if outcome == REFUSED:
            self.error = NO_ROOM
            return False
        if outcome == STAYS:
            self.skipped += 1
            return True
        queued = lane.take(entry)
        queued.leave()
        if queued.stored:
            lane.store.delete(queued)
        self._taken += 1
        if outcome == STORED:
            self._undone.append(queued)
        return True

    @property
    def _is_over(self) -> bool:
        is_full = self._most is not None and self.count + self._taken >= self._most
        return self.error is not None or is_full or self._walk.finished

    def _wait_or_go_on(self) -> None:
        if self._taken:
            scheduler = self.queue.scheduler
            self._batch = scheduler.store.batch
            scheduler.commits.wait(self)
            scheduler.wake()
            self.queue.touch()
        else:
            self._go_on()

    def _go_on(self) -> None:
        if self._is_over:
            self._end(self.error)
        else:
            self.queue.scheduler.call(self._step)

    def _end(self, error: str | None) -> None:
        self.error = error
        for lane in self.queue.lanes:
            lane.forget_settled()
        if self._number:
            self._tell(SWEEP_DONE)
        self._done(self)

    def batch_committed(self, batch: int) -> None:
        """The messages taken so far have left the queue for good."""
        if batch < self._batch:
            self.queue.scheduler.commits.wait(self)
            return
        self._have_gone(self._taken)
        self._go_on()

    def _have_gone(self, count: int) -> None:
        """Count messages that have left the queue for good."""
        self.count += count
        self._taken = 0
        self._undone.clear()
        self.taken(count)
        if self._number and self.queue.scheduler.clock.monotonic() - self._told >= TELL_SECONDS:
            self._tell(SWEEP_PROGRESS)

    def batch_failed(self, batch: int, error: StoreError) -> None:
        """The store failed to keep these messages elsewhere, so they stay in this queue."""
        if batch < self._batch:
            self.queue.scheduler.commits.wait(self)
            return
        # Unless the queue is gone meanwhile, and its messages with it.
        for queued in () if self.queue.deleted else reversed(self._undone):
            if queued.stored:
                self.queue.store.undelete(queued)
            queued.stay()
            put_back(self.queue, queued)
        # Messages held in memory are in their new place all the same.
        self._have_gone(self._taken - len(self._undone))
        self.queue.touch()
        self._end(error.reason)
