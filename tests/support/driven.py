"""A broker without a server: driven by hand, turn by turn, with a clock that the test moves."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path

import apsw
from proof.by_hand import EVERYTHING, LITTLE_MEMORY, ByHand, HandClock

from batonmq.broker import Consumer, ManagedOperations, Queue
from batonmq.errors import StoreError
from batonmq.fields import FieldValue
from batonmq.message import Message
from batonmq.properties import Properties
from batonmq.queued import QueuedMessage
from batonmq.store import MemoryStore, SqliteStore, Store

__all__ = ["EVERYTHING", "LITTLE_MEMORY", "Driven", "HandClock", "Taker", "let_go", "let_go_of_all"]


# The files of this test's brokers.
_opened: list[SqliteStore] = []


def let_go(store: SqliteStore) -> None:
    """Close its files as the end of the process would, with nothing more written; harmless when it is closed."""
    # One that could not be opened has none of this.
    if hasattr(store, "_shortage"):
        store._queries.close()
        with contextlib.suppress(apsw.ConnectionClosedError):
            store._file.close_file()
        store._journal.abandon()
        store._claim.release()


def let_go_of_all() -> None:
    """A test is over: none of its brokers keeps a file open."""
    while _opened:
        let_go(_opened.pop())


class Taker(Consumer):
    """Takes what it is given while it has room, and keeps it."""

    queue: Queue

    def __init__(self, queue: Queue, tag: str, prefetch: int, *, no_ack: bool, priority: int) -> None:
        super().__init__(queue, tag, no_ack=no_ack, priority=priority)
        self.prefetch = prefetch
        self.held: list[QueuedMessage] = []
        self.seen: list[str] = []
        self.is_cancelled = False

    def deliver(self, queued: QueuedMessage) -> bool:
        self.seen.append(queued.message.body.decode().rstrip("."))
        if not self.no_ack:
            self.held.append(queued)
        return self.has_room()

    def has_room(self) -> bool:
        return not self.is_cancelled and (self.no_ack or len(self.held) < self.prefetch)

    def cancelled(self) -> None:
        self.is_cancelled = True

    def accept(self, count: int = 1) -> None:
        """Settle the eldest."""
        for queued in self.held[:count]:
            self.queue.accept(queued)
        del self.held[:count]
        if self.has_room():
            self.queue.offer(self)

    def release(self, count: int | None = None) -> None:
        """Give the eldest back, or all."""
        back = self.held[:count]
        del self.held[:count]
        if self.has_room():
            self.queue.offer(self)
        self.queue.release(back)

    def leave(self) -> None:
        """As a client that is gone: no consumer any more, and all it held comes back."""
        self.is_cancelled = True
        self.queue.unsubscribe(self)
        self.queue.release(self.held)
        self.held = []


class Driven(ByHand):
    """A broker over a store in memory, or over an SQLite file that outlives it."""

    def __init__(self, path: Path | None = None, *, memory_limit: int = LITTLE_MEMORY) -> None:
        self.path = path
        # Does a commit last for some turns, in which more comes in and the store is busy?
        self.slow_commits = False
        # Is every other commit put off for a turn, where that may be?
        self.puts_off = False
        super().__init__(self._opened(), memory_limit=memory_limit)

    def _opened(self) -> Store:
        if self.path is None:
            return MemoryStore()
        store = SqliteStore(str(self.path))
        _opened.append(store)
        return store

    def _start(self) -> None:
        self.begin(self._opened())

    def begin(self, store: Store) -> None:
        super().begin(store)
        self.operations = ManagedOperations(self.broker.vhosts["/"], EVERYTHING, self)
        self._is_committed = False
        self._has_put_off = False

    def queue(self, name: str = "q", *, durable: bool = True, **arguments: FieldValue) -> Queue:
        """Declare a queue; an argument's name is written with underscores."""
        table = {name.replace("_", "-"): value for name, value in arguments.items()}
        return self.operations.declare_queue(name, durable=durable, arguments=table)

    def publish(
        self,
        body: str,
        headers: Mapping[str, FieldValue] | None = None,
        *,
        queue: str = "q",
        size: int = 0,
        persistent: bool = True,
        priority: int | None = None,
    ) -> int:
        """To the default exchange; the body is filled up with dots to a size."""
        properties = Properties.make(delivery_mode=2 if persistent else 1, headers=headers or None, priority=priority)
        route = self.operations.resolve("", queue)
        message = Message("", queue, properties, body.encode().ljust(size, b"."))
        return self.operations.vhost.router.publish(message, route.targets)

    def taker(
        self, queue: str = "q", prefetch: int = 1, tag: str = "", *, no_ack: bool = False, priority: int = 0
    ) -> Taker:
        """A consumer that is not subscribed yet."""
        return Taker(self.operations.find_queue(queue), tag, prefetch, no_ack=no_ack, priority=priority)

    def consume(self, queue: str = "q", prefetch: int = 1, *, no_ack: bool = False, priority: int = 0) -> Taker:
        """A consumer without a selector."""
        taker = self.taker(queue, prefetch, no_ack=no_ack, priority=priority)
        self.operations.subscribe(taker.queue, taker)
        return taker

    def commit(self, store: Store) -> None:
        """All of it, or a step of it if it is slow; or none of it yet."""
        if self.puts_off:
            store.cut_at(2)
        puts_off = self.puts_off and not (self._has_put_off or store.busy)
        self._has_put_off = puts_off and self.broker.is_patient and store.may_wait()
        if self._has_put_off:
            store.part()
        elif self.slow_commits:
            self._step_on(store)
        else:
            super().commit(store)

    def attempt(self) -> None:
        """One turn as a host's whose disk may fail."""
        self.broker.end_turn()
        self.broker.store.stage()
        failure: StoreError | None = None
        try:
            self.broker.store.commit()
        except StoreError as error:
            failure = error
        self.broker.commit_done(failure)

    def _step_on(self, store: Store) -> None:
        if not store.busy:
            store.stage()
        elif not self._is_committed:
            store.commit()
            self._is_committed = True
        else:
            self._is_committed = False
            self.broker.commit_done(None)

    def crash(self) -> None:
        """The process ends without a word and starts again on the same file."""
        store = self.broker.store
        assert isinstance(store, SqliteStore)
        let_go(store)
        self._start()

    def bodies(self, queue: str = "q") -> list[str]:
        """Everything that is ready, taken out in order."""
        taker = self.consume(queue, prefetch=1_000_000)
        self.settle()
        seen = taker.seen
        taker.leave()
        self.settle()
        return seen
