"""The engine for a file that another process owns: it does what the embedded one does, over a socket."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TypeVar

from batonmq.clock import Clock
from batonmq.engines.embedded.capabilities import CAPABILITIES
from batonmq.engines.embedded.ownership import InUse
from batonmq.engines.exchanges import Exchanges
from batonmq.engines.figures import QueueInfo, QueueStats
from batonmq.engines.futures import Future
from batonmq.engines.interface import Engine, Subscription
from batonmq.engines.messages import Message
from batonmq.engines.questions import asking, list_queues, stats
from batonmq.engines.shared import commands, wire
from batonmq.engines.shared.calling import Calls
from batonmq.engines.shared.calls import Call, WhenLost, as_count, as_messages, as_nothing, as_reply
from batonmq.engines.shared.exchanges import SharedExchanges
from batonmq.engines.shared.numbered import Numbered
from batonmq.engines.shared.opening import Reached, reach
from batonmq.engines.shared.registry import own_file
from batonmq.engines.shared.socket_path import HAS_SOCKETS
from batonmq.engines.shared.subscription import SharedSubscription
from batonmq.engines.steps import run_steps
from batonmq.engines.values import Fate, Incoming, QueueOptions
from batonmq.errors import UnsupportedFeature

__all__ = ["SharedEngine", "open_file"]

T = TypeVar("T")

# Seconds. Opening a large file takes its owner a while.
OPEN_SECONDS = 60.0


def open_file(path: str, clock: Clock | None = None) -> Engine:
    """Connect to the queues in a file, whichever process owns it. Raises InUse, StoreError, StoreCorrupt."""
    try:
        return own_file(path, clock)
    except InUse:
        if not HAS_SOCKETS or clock is not None:
            raise
    real = os.path.realpath(path)
    reached = reach(real, OPEN_SECONDS)
    if reached.own is None:
        return SharedEngine(real, reached)
    # Its owner has just released it.
    reached.link.close()
    reached.link.release()
    try:
        return own_file(real)
    finally:
        reached.own.close()


class ReplyFuture(Future[Message]):
    """Resolved with the reply."""

    __slots__ = ("call", "found")

    def __init__(self, command: commands.Request | commands.Manage) -> None:
        super().__init__()
        self.found: Future[Message] = Future()
        """The owner's answer: the reply."""
        self.call = Call(command, self.found, as_reply, "fail")


class SharedEngine(Engine):
    """Sends every operation to the owner of the file, and to the next one if that one goes."""

    def __init__(self, path: str, reached: Reached) -> None:
        self.capabilities = CAPABILITIES
        self._calls = Calls(path, reached)
        self._subscriptions = 0
        # Only of queues declared here; the owner is not asked about others.
        self._fates: dict[str, Fate] = {}

    @property
    def native(self) -> object:
        """The broker. Raises UnsupportedFeature while it is in another process, and Closed."""
        self._calls.require_open()
        own = self._calls.own
        if own is None:
            raise UnsupportedFeature("embedded: native, while another process has the file")
        return own

    @property
    def exchanges(self) -> Exchanges:
        return SharedExchanges(self._calls)

    def declare(self, queue: str, options: QueueOptions) -> Future[None]:
        future = self._do(commands.Declare(0, queue, options), "again")

        def then() -> None:
            if not future.failed:
                self._fates[queue] = options.fate

        future.when_done(then)
        return future

    def fate(self, queue: str) -> Fate | None:
        return self._fates.get(queue)

    def delete(self, queue: str) -> Future[None]:
        return self._do(commands.Delete(0, queue), "again")

    def send(self, queue: str, messages: Sequence[Message]) -> Future[None]:
        return self._do(commands.Send(0, 0, queue, [wire.message_to(message) for message in messages]))

    def subscribe(self, queue: str, prefetch: int, lease: float | None = None) -> Future[Subscription]:
        with self._calls.lock:
            self._subscriptions += 1
            subscription = SharedSubscription(self._calls, self._subscriptions, queue, prefetch, lease)
            subscription.begin()
        future: Future[Subscription] = Future()
        subscribed = subscription.subscribed

        def then() -> None:
            if subscribed.error is None:
                future.resolve(subscription)
            else:
                future.fail(subscribed.error)

        subscribed.when_done(then, owed=future)
        return future

    def peek(self, queue: str, most: int) -> Future[list[Message]]:
        future: Future[list[Message]] = Future()
        self._calls.ask(Call(commands.Peek(0, queue, most), future, as_messages, "again"))
        return future

    def count(self, queue: str) -> Future[int]:
        return self._count(commands.Count(0, queue), "again")

    def purge(self, queue: str) -> Future[int]:
        return self._count(commands.Purge(0, 0, queue))

    def queues(self) -> Future[list[QueueInfo]]:
        return run_steps(list_queues(asking(self)))

    def stats(self, queue: str) -> Future[QueueStats]:
        return run_steps(stats(asking(self), queue))

    def move(self, source: str, target: str | None, most: int) -> Future[int]:
        return self._count(commands.Move(0, 0, source, target, most))

    def transact(
        self, sends: Sequence[tuple[str, Message]], accepts: Sequence[tuple[Subscription, Incoming]]
    ) -> Future[None]:
        held = [
            (subscription, incoming)
            for subscription, incoming in accepts
            if isinstance(subscription, SharedSubscription)
        ]
        with self._calls.lock:
            tags = [subscription.tag_of(incoming) for subscription, incoming in held]
            future = self._do(
                commands.Transact(0, 0, [(queue, wire.message_to(message)) for queue, message in sends], tags)
            )

        def then() -> None:
            if not future.failed:
                for subscription, incoming in held:
                    subscription.accepted(incoming)

        future.when_done(then)
        return future

    def request(self, queue: str, message: Message) -> Future[Message]:
        return self._await(ReplyFuture(commands.Request(0, queue, wire.message_to(message))))

    def manage(self, request: Message) -> Future[Message]:
        return self._await(ReplyFuture(commands.Manage(0, wire.message_to(request))))

    def _await(self, future: ReplyFuture) -> Future[Message]:
        found = future.found

        def then() -> None:
            if found.error is None:
                future.resolve(found.result())
            else:
                future.fail(found.error)

        found.when_done(then, owed=future)
        self._calls.ask(future.call)
        return future

    def forget(self, future: Future[Message]) -> None:
        assert isinstance(future, ReplyFuture)
        with self._calls.lock:
            self._calls.drop(future.call)
            self._calls.tell(commands.Forget(0, future.call.command.number))

    def reply(self, request: Message, message: Message) -> Future[None]:
        if request.reply_to is None:
            raise ValueError("the message asks for no reply: it has no reply_to")
        return self._do(commands.Reply(0, 0, wire.message_to(request), wire.message_to(message)))

    def close(self) -> None:
        self._calls.close()

    def _do(self, command: Numbered, when_lost: WhenLost = "once") -> Future[None]:
        future: Future[None] = Future()
        self._calls.ask(Call(command, future, as_nothing, when_lost))
        return future

    def _count(self, command: Numbered, when_lost: WhenLost = "once") -> Future[int]:
        future: Future[int] = Future()
        self._calls.ask(Call(command, future, as_count, when_lost))
        return future
