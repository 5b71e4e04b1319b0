"""A consumer that takes messages on request, and holds them until they are settled.

It has room only while somebody waits in ``receive``: other messages stay in the queue, for other consumers.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from batonmq.broker import Consumer, Queue
from batonmq.broker.queues.reclaiming import hand_on, reclaim
from batonmq.engines.futures import Future
from batonmq.engines.interface import How
from batonmq.engines.leases import lost
from batonmq.engines.messages import received_message
from batonmq.engines.receives import Receive
from batonmq.engines.values import Incoming
from batonmq.errors import BatonError, Closed, NotFound
from batonmq.queued import DURABLE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from batonmq.engines.embedded.core import Core
    from batonmq.queued import QueuedMessage

__all__ = ["NotedReceive", "PullConsumer"]


class NotedReceive(Receive):
    """A call of ``receive`` that ends when the store has noted the delivery.

    So the messages come back as redelivered however the process ends. The waiting thread makes that commit, which waits
    for no disk.
    """

    __slots__ = ("commit",)

    def __init__(self, most: int) -> None:
        super().__init__(most)
        self.commit: Future[None] | None = None

    @property
    def is_ready(self) -> bool:
        return self.done and (self.commit is None or self.commit.done)

    @property
    def rest(self) -> Future[None] | None:
        return self.commit


class PullConsumer(Consumer):
    """Takes messages from one queue on demand. Everything here runs under the core's lock."""

    __slots__ = (
        "_arrived",
        "_core",
        "_demand",
        "_held",
        "_is_abroad",
        "_is_announced",
        "_is_noted",
        "_last_tag",
        "_late",
        "_on_late",
        "_over",
        "_prefetch",
        "_requests",
        "source",
    )

    def __init__(self, core: Core, queue: Queue, tag: str, prefetch: int, lease: float | None = None) -> None:
        asked = None if lease is None else {"x-consumer-timeout": max(1, round(lease * 1000))}
        super().__init__(queue, tag, arguments=asked)
        self._core = core
        self.source = queue
        """The queue, as which ``queue`` is not known."""
        self._prefetch = prefetch
        self._requests: deque[NotedReceive] = deque()
        # How many messages are requested and have not come.
        self._demand = 0
        # By number: a late message that comes again must not be settled under its old number.
        self._held: dict[int, QueuedMessage] = {}
        # Those that were taken back, until it settles them or asks for others: both show that it is not stuck.
        self._late: dict[int, QueuedMessage] = {}
        self._last_tag = 0
        self._arrived: list[tuple[int, QueuedMessage]] = []
        self._is_announced = False
        # Must the store note the delivery of arrived messages first?
        self._is_noted = False
        # Why it takes nothing more: its queue is gone, or it was closed.
        self._over: BatonError | None = None
        # Called with the number of a message that was held for too long, and is back in its queue.
        self._on_late: Callable[[int], None] | None = None
        # Are its messages held by another process, which may outlive this one? Then it gets only messages that are in
        # the store.
        self._is_abroad = False

    # ------------------------------------------------------------------ what the queue sees

    def deliver(self, queued: QueuedMessage) -> bool:
        self._last_tag = tag = self._last_tag + 1
        self._arrived.append((tag, queued))
        self._demand -= 1
        self._held[tag] = queued
        if not self._is_announced:
            self._is_announced = True
            self._core.at_turn_end(self._answer)
        return self.has_room()

    def hold(self, batch: int) -> None:
        self._is_noted = True

    def has_room(self) -> bool:
        return self._demand > 0 and len(self._held) < self._prefetch

    def room(self) -> int:
        return max(0, min(self._demand, self._prefetch - len(self._held)))

    def revoked(self, queued: QueuedMessage) -> None:
        for tag, held in self._held.items():
            if held is queued:
                del self._held[tag]
                self._late[tag] = queued
                if self._on_late is not None:
                    self._on_late(tag)
                self._has_room_again()
                return

    def cancelled(self) -> None:
        self._over = over = NotFound(f"queue '{self.source.name}' was deleted")
        self._held.clear()
        self._late.clear()
        self._arrived.clear()
        requests, self._requests = self._requests, deque()
        for request in requests:
            request.fail(over)

    # ------------------------------------------------------------------ what the engine asks

    def ask(self, request: NotedReceive) -> None:
        """Serve a request. Raises NotFound when the queue is gone, and Closed."""
        if self._over is not None:
            # Not the object raised to others: each raise has its own traceback.
            raise type(self._over)(str(self._over))
        while self._late:
            self._caught_up(self._late.popitem()[1])
        self._requests.append(request)
        self._demand += request.most
        if self.has_room():
            self.source.offer(self)

    def withdraw(self, request: NotedReceive) -> None:
        """Withdraw a request: it gets an empty list, unless it was answered."""
        if not request.done and request in self._requests:
            self._requests.remove(request)
            self._demand -= request.most
            if not self.has_room():
                self.source.withdraw(self)
            request.resolve([])

    def _answer(self) -> None:
        """The turn has ended: give arrived messages to waiting requests, in order."""
        self._is_announced = False
        arrived, self._arrived = self._arrived, []
        if self._is_abroad and not self._is_noted:
            store = self._core.store
            self._is_noted = store.busy or any(store.is_pending(queued) for _, queued in arrived)
        commit = self._core.future(None, sync=False) if self._is_noted else None
        self._is_noted = False
        start = 0
        while start < len(arrived):
            request = self._requests.popleft()
            batch = arrived[start : start + request.most]
            start += len(batch)
            # The rest of this request is withdrawn.
            self._demand -= request.most - len(batch)
            request.commit = commit
            request.resolve([incoming(tag, queued) for tag, queued in batch])
        if not self.has_room():
            self.source.withdraw(self)

    def take(self, tag: object) -> QueuedMessage:
        """Take a held message for settling. Raises LeaseLost if it is not held any more."""
        queued = self._held.pop(tag, None)  # type: ignore[call-overload]
        if queued is None:
            late = self._late.pop(tag, None)  # type: ignore[call-overload]
            if late is not None:
                self._caught_up(late)
            raise lost()
        if self.source.selection is not None:
            # Another consumer may wait for its group; without room here, the queue would not look for one.
            self.source.touch()
        return queued  # type: ignore[no-any-return]

    def _caught_up(self, late: QueuedMessage) -> None:
        """Settle a message that was taken back: without effect, but the queue serves it again."""
        late.settlement.accept(late)

    def holds(self, tag: object) -> bool:
        """Is the message here, unsettled?"""
        return tag in self._held

    def holding(self) -> Iterable[QueuedMessage]:
        return list(self._held.values())

    def held_as(self, tag: object) -> QueuedMessage | None:
        """The held message of that tag; None: it is not held any more."""
        return self._held.get(tag)  # type: ignore[call-overload, no-any-return]

    def renew(self, tag: object, seconds: float) -> None:
        """Renew a held message, for so many seconds from now. Raises LeaseLost."""
        queued = self._held.get(tag)  # type: ignore[call-overload]
        if queued is None or not self.source.renew(queued, seconds):
            raise lost()

    def accept(self, tag: object) -> None:
        """Settle as done. Raises LeaseLost."""
        queued = self.take(tag)
        self.source.accept(queued)
        if self._demand:
            self._has_room_again()

    def release(self, tag: object, delay: float | None) -> None:
        """Back to its place, after that many seconds. Raises LeaseLost."""
        queued = self.take(tag)
        self.source.release([queued], None if delay is None else round(delay * 1000))
        self._has_room_again()

    def reject(self, tag: object, reason: str) -> None:
        """To the dead letters, with the reason. Raises LeaseLost."""
        queued = self.take(tag)
        self.source.reject(queued, reason)
        self._has_room_again()

    def settle(self, tag: object, how: How, reason: str, delay: float | None) -> None:
        """Accept, release or reject. Raises LeaseLost."""
        if how == "accept":
            self.accept(tag)
        elif how == "release":
            self.release(tag, delay)
        else:
            self.reject(tag, reason)

    def settle_for_now(self, tag: object) -> QueuedMessage:
        """Accept as part of a transaction that may still fail. Raises LeaseLost."""
        queued = self.take(tag)
        self.source.accept(queued)
        return queued

    def unsettle(self, tag: object, queued: QueuedMessage) -> None:
        """The transaction failed: the message is held as before, or goes back if its receiver was closed meanwhile."""
        self.source.unsettle(queued)
        if self in self.source.consumers:
            assert isinstance(tag, int)
            self._held[tag] = queued
        else:
            self.source.release([queued])

    def adopt(self, tag: int, row: int, count: int, seconds: float | None) -> bool:
        """Take back a message held under the former owner, with its tag.

        False: it is gone, or another's. Never call it while the store is ``busy``. Raises StoreError.
        """
        queued = reclaim(self.source, row, count, self)
        if queued is None:
            return False
        self._held[tag] = queued
        if seconds is None:
            self.source.watch_deadline(queued, self)
        else:
            self.source.watch_deadline(queued, self, max(1, round(seconds * 1000)))
        return True

    def serve_abroad(self, on_late: Callable[[int], None]) -> None:
        """Its messages are held by another process, which may outlive this one, and so gets only stored messages.

        ``on_late`` is called with the tag of each message that was held for too long, and is back in its queue.
        """
        self._is_abroad = True
        self._on_late = on_late

    def number_from(self, tag: int) -> None:
        """Number messages after this tag, which the other process has seen."""
        self._last_tag = max(self._last_tag, tag)

    def row_of(self, tag: object) -> int:
        """The row of a held message in the store; 0: it has none."""
        queued = self._held.get(tag)  # type: ignore[call-overload]
        return queued.row if queued is not None and queued.stored == DURABLE else 0

    def hand_on(self) -> None:
        """The broker ends: the next owner gives back what is held. Nothing is settled here any more."""
        hand_on(self.source, list(self._held.values()))

    def _has_room_again(self) -> None:
        if not self.waiting and self.has_room():
            self.source.offer(self)

    def close(self, error: BatonError | None = None) -> None:
        """Give back everything held; waiting requests get nothing, or the error if there is one."""
        self._over = self._over or error or Closed("the receiver was closed")
        self.source.unsubscribe(self)
        held, self._held = list(self._held.values()), {}
        self._late.clear()
        self._arrived.clear()
        if held:
            self.source.release(held)
        requests, self._requests = self._requests, deque()
        self._demand = 0
        for request in requests:
            if error is None:
                request.resolve([])
            else:
                request.fail(error)


def incoming(tag: int, queued: QueuedMessage) -> Incoming:
    """A queued message, as a delivery of the API."""
    message = queued.message
    count = queued.return_count + 1
    origin = (message.exchange, message.routing_key)
    return Incoming(received_message(message.body, message.properties), count, count > 1, tag, origin=origin)
