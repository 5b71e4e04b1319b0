"""A driven broker whose disk fails on demand and which starts again as it stopped."""

from __future__ import annotations

from collections.abc import Mapping

import apsw

from batonmq.broker import Consumer, Queue
from batonmq.errors import StoreError
from batonmq.fields import FieldValue
from batonmq.message import Message
from batonmq.properties import Properties
from batonmq.queued import QueuedMessage
from batonmq.store import SqliteStore
from tests.support.driven import Driven


class Timed(Driven):
    """A broker whose disk, clock and restarts are in the test's hands."""

    def start(self) -> None:
        """Open the store again after ``broker.close``."""
        self._start()

    def message(
        self, body: str, headers: Mapping[str, FieldValue] | None = None, *, priority: int | None = None
    ) -> Message:
        """A persistent message for the queue ``q``."""
        properties = Properties.make(delivery_mode=2, headers=headers or None, priority=priority)
        return Message("", "q", properties, body.encode())

    def fail(self) -> None:
        """Commit what was collected to a disk that is full."""
        self.broker.store.stage()
        self.fail_staged()

    def fail_staged(self) -> None:
        """The disk is full before what was staged is committed."""
        store = self.broker.store
        assert isinstance(store, SqliteStore)
        store._transaction._failure = apsw.FullError("database or disk is full")
        try:
            store.commit()
        except StoreError as error:
            self.broker.commit_done(error)
        else:
            raise AssertionError("the commit did not fail")


class Holder(Consumer):
    """Takes up to ``prefetch`` messages and keeps them; settles as a protocol does, by what it was given."""

    queue: Queue

    def __init__(
        self,
        driven: Driven,
        prefetch: int = 1,
        *,
        queue: str = "q",
        priority: int = 0,
        arguments: Mapping[str, FieldValue] | None = None,
    ) -> None:
        super().__init__(driven.operations.find_queue(queue), "holder", priority=priority, arguments=arguments)
        self.prefetch = prefetch
        self.heard: list[bool] = []
        self.held: list[QueuedMessage] = []
        self.seen: list[str] = []
        self.taken_back: list[str] = []
        driven.operations.subscribe(self.queue, self)
        driven.settle()

    def deliver(self, queued: QueuedMessage) -> bool:
        self.held.append(queued)
        self.seen.append(queued.message.body.decode())
        return self.has_room()

    def has_room(self) -> bool:
        return len(self.held) < self.prefetch

    def cancelled(self) -> None:
        """Its queue is gone."""

    def activity_changed(self) -> None:
        self.heard.append(self.queue.active is self)

    def revoked(self, queued: QueuedMessage) -> None:
        self.taken_back.append(queued.message.body.decode())

    def settle(self, how: str, index: int = 0) -> None:
        """accept, release or reject what it was given first."""
        queued = self.held.pop(index)
        queue = queued.settlement
        if how == "accept":
            queue.accept(queued)
        elif how == "reject":
            queue.reject(queued)
        else:
            queue.release([queued])
        if self.has_room():
            self.queue.offer(self)
