"""A broker without a server, driven by hand over a file: it makes the files, and opens them when they are damaged."""

from __future__ import annotations

from pathlib import Path

from batonmq.broker import Broker, Consumer, ManagedOperations, Permission, User
from batonmq.clock import Clock
from batonmq.errors import StoreError
from batonmq.message import Message
from batonmq.properties import Properties
from batonmq.queued import QueuedMessage
from batonmq.store import SqliteStore

__all__ = ["Hand", "Taker"]

EVERYTHING = User("guest", frozenset({"administrator"}), {"/": Permission()})
# So little that most of what waits is in the file alone.
MEMORY = 64 << 10
MOST_TURNS = 10_000
# How often a commit may fail.
PATIENCE = 5


class Still(Clock):
    """Time that stands still."""

    def monotonic(self) -> float:
        return 1_000.0

    def time(self) -> float:
        return 1_700_000_000.0


class Taker(Consumer):
    """Takes all that it is given, and keeps it."""

    def __init__(self, hand: Hand, queue: str, most: int) -> None:
        super().__init__(hand.operations.find_queue(queue), f"taker-{queue}", no_ack=False, priority=0)
        self.most = most
        self.held: list[QueuedMessage] = []

    def deliver(self, queued: QueuedMessage) -> bool:
        self.held.append(queued)
        return self.has_room()

    def has_room(self) -> bool:
        return len(self.held) < self.most

    def cancelled(self) -> None:
        self.most = 0


class Hand:
    """A broker, and the hand that turns it."""

    def __init__(self, file: Path) -> None:
        """Raises StoreError."""
        self.broker = Broker(SqliteStore(str(file)), Still(), memory_limit=MEMORY)
        self.operations = ManagedOperations(self.broker.vhosts["/"], EVERYTHING, self)
        self._works = False
        self.broker.attach(self._work)

    def _work(self) -> None:
        self._works = True

    def publish(self, body: bytes, routing_key: str, exchange: str = "", properties: Properties | None = None) -> None:
        """One persistent message."""
        route = self.operations.resolve(exchange, routing_key)
        made = properties or Properties.make(delivery_mode=2)
        self.operations.vhost.router.publish(Message(exchange, routing_key, made, body), route.targets)

    def take(self, queue: str, most: int = 1_000_000) -> Taker:
        """A consumer."""
        taker = Taker(self, queue, most)
        self.operations.subscribe(self.operations.find_queue(queue), taker)
        return taker

    def settle(self) -> None:
        """Turns until nothing is left to do, or the file takes nothing any more."""
        failures = 0
        for _ in range(MOST_TURNS):
            self._works = False
            self.broker.end_turn()
            store = self.broker.store
            failure: StoreError | None = None
            if store.has_work():
                store.stage()
                try:
                    store.commit()
                except StoreError as error:
                    failure = error
                self.broker.commit_done(failure)
            failures += failure is not None
            if failures > PATIENCE or not (self._works or self.broker.is_touched or store.has_work()):
                return
        raise AssertionError("the broker finds no rest")
