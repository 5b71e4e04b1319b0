"""The embedded engine: the broker in this process."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Callable, Sequence
from typing import TypeVar

from batonmq.broker import Consumer
from batonmq.broker.routing.direct_replies import NOBODY
from batonmq.engines.embedded.core import Core
from batonmq.engines.embedded.exchanges import EmbeddedExchanges
from batonmq.engines.embedded.operations import Queues
from batonmq.engines.embedded.pull_consumer import NotedReceive, PullConsumer
from batonmq.engines.exchanges import Exchanges
from batonmq.engines.figures import QueueInfo, QueueStats
from batonmq.engines.futures import Future, resolved
from batonmq.engines.interface import Engine, How, Subscription
from batonmq.engines.leases import lost_by_transaction, lost_with
from batonmq.engines.messages import Message, received_message
from batonmq.engines.questions import asking, list_queues, stats
from batonmq.engines.steps import run_steps
from batonmq.engines.values import Capabilities, Fate, Incoming, QueueOptions
from batonmq.errors import BatonError, Closed
from batonmq.queued import QueuedMessage

__all__ = ["EmbeddedEngine", "EmbeddedSubscription"]

T = TypeVar("T")

CLOSED = "the connection was closed"


class EmbeddedSubscription(Subscription):
    """A pull consumer, and the core whose lock it needs."""

    __slots__ = ("_core", "_engine", "consumer")

    def __init__(self, engine: EmbeddedEngine, consumer: PullConsumer) -> None:
        self.consumer = consumer
        self._engine = engine
        self._core = engine.core

    def receive(self, most: int) -> Future[list[Incoming]]:
        request = NotedReceive(most)
        with self._core:
            self.consumer.ask(request)
        return request

    def withdraw(self, future: Future[list[Incoming]]) -> None:
        assert isinstance(future, NotedReceive)
        if not future.done:
            with self._core:
                self.consumer.withdraw(future)

    def settle(self, incoming: Incoming, how: How, reason: str = "", delay: float | None = None) -> None:
        try:
            with self._core:
                self.consumer.settle(incoming.handle, how, reason, delay)
        except Closed as error:
            raise lost_with(error) from None

    def renew(self, incoming: Incoming, seconds: float) -> Future[None]:
        try:
            with self._core:
                self.consumer.renew(incoming.handle, seconds)
        except Closed as error:
            raise lost_with(error) from None
        return resolved(None)

    def report(self, incoming: Incoming, fraction: float, note: str) -> None:
        # In a forked child it is the parent's.
        with contextlib.suppress(Closed), self._core:
            self._engine.report(self.consumer, incoming.handle, fraction, note)

    def close(self) -> Future[None]:
        self.end()
        return resolved(None)

    def end(self, error: BatonError | None = None) -> None:
        """Give back held messages. Waiting calls get nothing, or fail with the error."""
        if self in self._engine.subscriptions:
            self._engine.subscriptions.discard(self)
            # In a forked child it belongs to the parent.
            with contextlib.suppress(Closed), self._core:
                self.consumer.close(error)


class ReplyConsumer(Consumer):
    """Waits for one reply under a token."""

    __slots__ = ("_forget", "_future")

    def __init__(self, future: ReplyFuture, forget: Callable[[ReplyFuture], None]) -> None:
        """``forget``: called when the reply has come, within the turn."""
        super().__init__(NOBODY, "reply")
        self._future = future
        self._forget = forget

    def deliver(self, queued: QueuedMessage) -> bool:
        self._forget(self._future)
        self._future.resolve(received_message(queued.message.body, queued.message.properties))
        return False

    def has_room(self) -> bool:
        return not self._future.done

    def cancelled(self) -> None:
        """Do nothing: it consumes from no queue."""


class ReplyFuture(Future[Message]):
    """The future for the reply."""

    __slots__ = ("token",)

    token: str
    """The address for the reply."""

    def listen_at(self, token: str) -> None:
        """Set the address at which the reply will arrive."""
        self.token = token


class EmbeddedEngine(Engine):
    """Queues of a broker in this process. ``on_close`` is called once, when the engine closes."""

    def __init__(self, core: Core, capabilities: Capabilities, on_close: Callable[[], None]) -> None:
        self.core = core
        self.capabilities = capabilities
        self.subscriptions: set[EmbeddedSubscription] = set()
        # Requests without a reply, or an answer, yet.
        self._asked: set[ReplyFuture] = set()
        self._on_close: Callable[[], None] | None = on_close
        self._queues = Queues(core.broker, self)
        self._tags = 0

    @property
    def native(self) -> object:
        if self._on_close is None:
            raise Closed(CLOSED)
        return self.core.broker

    @property
    def exchanges(self) -> Exchanges:
        return EmbeddedExchanges(self.core, self._queues, self._future)

    def _future(self, outcome: T, *, sync: bool = True) -> Future[T]:
        """A future for work of this turn: resolved when it is on the disk or, without ``sync``, only written."""
        return self.core.future(outcome, sync=sync)

    def declare(self, queue: str, options: QueueOptions) -> Future[None]:
        def declare() -> Future[None]:
            self._queues.declare(queue, options)
            return self._future(None)

        return self.core.run(declare)

    def fate(self, queue: str) -> Fate | None:
        return self.core.run(self._queues.fate, queue)

    def delete(self, queue: str) -> Future[None]:
        def delete() -> Future[None]:
            self._queues.operations.delete_queue(queue)
            return self._future(None)

        return self.core.run(delete)

    def send(self, queue: str, messages: Sequence[Message]) -> Future[None]:
        with self.core:
            self._queues.send(queue, messages)
            return self._future(None)

    def subscribe(self, queue: str, prefetch: int, lease: float | None = None) -> Future[Subscription]:
        return resolved(self.core.run(self._subscribe, queue, prefetch, lease))

    def _subscribe(self, queue: str, prefetch: int, lease: float | None) -> EmbeddedSubscription:
        found = self._queues.find(queue)
        self._tags += 1
        consumer = PullConsumer(self.core, found, f"embedded-{self._tags}", prefetch, lease)
        self._queues.operations.subscribe(found, consumer)
        subscription = EmbeddedSubscription(self, consumer)
        self.subscriptions.add(subscription)
        return subscription

    def report(self, consumer: PullConsumer, tag: object, fraction: float, note: str) -> None:
        """Note how far the work on a held message is. Under the core's lock."""
        queued = consumer.held_as(tag)
        if queued is not None:
            self._queues.note_progress(queued, fraction, note)

    def peek(self, queue: str, most: int) -> Future[list[Message]]:
        return resolved(self.core.run_reading(self._queues.peek, queue, most))

    def count(self, queue: str) -> Future[int]:
        return resolved(self.core.run(lambda: self._queues.find(queue).ready_count))

    def purge(self, queue: str) -> Future[int]:
        def purge() -> Future[int]:
            return self._future(self._queues.operations.purge_queue(queue))

        return self.core.run_reading(purge)

    def queues(self) -> Future[list[QueueInfo]]:
        return run_steps(list_queues(asking(self)))

    def stats(self, queue: str) -> Future[QueueStats]:
        return run_steps(stats(asking(self), queue))

    def move(self, source: str, target: str | None, most: int) -> Future[int]:
        def move_some() -> Future[int]:
            return self._future(self._queues.move(source, target, most))

        return self.core.run_reading(move_some)

    def transact(
        self, sends: Sequence[tuple[str, Message]], accepts: Sequence[tuple[Subscription, Incoming]]
    ) -> Future[None]:
        held = [
            (subscription.consumer, incoming)
            for subscription, incoming in accepts
            if isinstance(subscription, EmbeddedSubscription)
        ]

        def transact() -> Future[None]:
            for consumer, incoming in held:
                if not consumer.holds(incoming.handle):
                    raise lost_by_transaction()
            self._queues.send_all(sends)
            taken = [
                (consumer, incoming.handle, consumer.settle_for_now(incoming.handle)) for consumer, incoming in held
            ]
            future = self._future(None)

            def undo() -> None:
                if future.failed:
                    for consumer, tag, queued in taken:
                        consumer.unsettle(tag, queued)

            future.when_done(undo)
            return future

        return self.core.run(transact)

    def request(self, queue: str, message: Message) -> Future[Message]:
        future = ReplyFuture()

        def request() -> None:
            self._queues.find(queue)
            self._listen(future)
            asking = message.properties.replace(
                reply_to=future.token,
                correlation_id=message.correlation_id or secrets.token_hex(8),
            )
            try:
                self._queues.send(queue, [received_message(message.body, asking)])
            except BatonError:
                self._hang_up(future)
                raise

        self.core.run(request)
        return future

    def manage(self, request: Message) -> Future[Message]:
        future = ReplyFuture()

        def manage() -> None:
            self._listen(future)
            properties = request.properties.replace(reply_to=future.token)
            self._queues.manage(received_message(request.body, properties))

        self.core.run_reading(manage)
        return future

    def _listen(self, future: ReplyFuture) -> None:
        future.listen_at(self._queues.vhost.replies.open(ReplyConsumer(future, self._hang_up)))
        self._asked.add(future)

    def _hang_up(self, future: ReplyFuture) -> None:
        """Close an address for replies. In a turn."""
        self._queues.vhost.replies.close(future.token)
        self._asked.discard(future)

    def forget(self, future: Future[Message]) -> None:
        assert isinstance(future, ReplyFuture)
        # In a forked child it belongs to the parent, as when everything is closed.
        with contextlib.suppress(Closed):
            self.core.run(self._hang_up, future)

    def reply(self, request: Message, message: Message) -> Future[None]:
        reply_to = request.reply_to
        if reply_to is None:
            raise ValueError("the message asks for no reply: it has no reply_to")

        def reply() -> Future[None]:
            self._queues.route(reply_to, message)
            return self._future(None)

        return self.core.run(reply)

    def close(self) -> None:
        on_close, self._on_close = self._on_close, None
        if on_close is None:
            return
        try:
            # Closed already in a forked child, where messages belong to the parent.
            with contextlib.suppress(Closed):
                for subscription in list(self.subscriptions):
                    subscription.end(Closed(CLOSED))
        finally:
            on_close()
            for future in list(self._asked):
                future.fail(Closed("the connection was closed before the reply came"))
