"""The single interface between the API and the place of the queues.

Nothing here waits. Operations that take time return a future, which a thread waits for or an event loop is told about,
so one implementation serves both faces of the API. All methods may be called from any thread; those that say so may
block for a commit, and an event loop calls them in a thread.

Futures fail, and methods raise, with Closed after ``close``, with ConnectionLost when the engine is out of reach, and
with the errors that each names. An engine is never asked for what its ``capabilities`` deny, and need not implement it:
methods that are not abstract here raise UnsupportedFeature.
"""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Literal

from batonmq.engines.exchanges import Exchanges
from batonmq.engines.figures import QueueInfo, QueueStats
from batonmq.engines.futures import Future
from batonmq.engines.messages import Message
from batonmq.engines.values import Capabilities, Fate, Incoming, QueueOptions
from batonmq.errors import BatonError, UnsupportedFeature

__all__ = ["Engine", "How", "Subscription", "give_back"]

How = Literal["accept", "release", "reject"]


class Subscription(ABC):
    """Takes messages from one queue. Unsettled messages go back to the queue when it is closed."""

    __slots__ = ()

    @abstractmethod
    def receive(self, most: int) -> Future[list[Incoming]]:
        """Up to that many messages, as soon as there is one.

        Never more than the prefetch are held unsettled. Fails with NotFound when the queue is deleted.
        """

    @abstractmethod
    def withdraw(self, future: Future[list[Incoming]]) -> None:
        """Stop waiting: the future is resolved soon, with an empty list or messages that have just come."""

    @abstractmethod
    def settle(self, incoming: Incoming, how: How, reason: str = "", delay: float | None = None) -> Future[None] | None:
        """accept: done. release: back to its place. reject: to the queue's dead letters, or dropped.

        ``delay``, of a release, is in seconds; None: as the queue was declared. Raises LeaseLost when the message is
        not held here. Returns None when it is done, or on its way. Returns a future when nobody can be told now, so the
        caller has to wait; it fails with LeaseLost if the message was given to others meanwhile.
        """

    def renew(self, incoming: Incoming, seconds: float) -> Future[None]:
        """Renew the lease: hold the message for that many seconds from now. LeaseLost if it is not held any more.

        For ``capabilities.lease``.
        """
        raise UnsupportedFeature("this engine: renew")

    def report(self, incoming: Incoming, fraction: float, note: str) -> None:  # noqa: B027
        """Tell the broker the progress of the work on a message, 0 to 1: a note for people.

        Nobody is told whether it arrived.

        For ``capabilities.progress``.
        """

    @abstractmethod
    def close(self) -> Future[None]:
        """Give back held messages; waiting futures are resolved with an empty list. A second call does nothing.

        ``receive`` fails with Closed afterwards.
        """


class Engine(ABC):
    """Queues, wherever they live.

    An engine has to declare, delete, send and subscribe. Everything else belongs to a feature of `Capabilities`.
    """

    capabilities: Capabilities
    system: str = "batonmq"
    """The product that holds the queues, in lower case: 'batonmq', 'rabbitmq' or another broker."""
    place: str = ""
    """Where it leads, for error texts: a file, or the URL of a broker without the log-in."""
    is_traced: bool = False
    """Are the calls of this engine traced with OpenTelemetry spans?"""

    def opened_at(self, place: str) -> None:
        """Set where it leads."""
        self.place = place

    @property
    def native(self) -> object:
        """The library below, for what only it can do. Raises Closed."""
        raise self._denied("native")

    @property
    def exchanges(self) -> Exchanges:
        """Exchanges and bindings, for frameworks made for AMQP, where the engine itself routes: a file, or memory."""
        raise self._denied("exchanges")

    @abstractmethod
    def declare(self, queue: str, options: QueueOptions) -> Future[None]:
        """Create a queue; an existing one stays. PreconditionFailed if that one has other options."""

    def check_declare(self, queue: str, options: QueueOptions) -> None:  # noqa: B027
        """Raises the errors of ``declare`` that are known without asking the broker.

        UnsupportedFeature, AccessRefused, ValueError.
        """

    def fate(self, queue: str) -> Fate | None:
        """The dead letter rules of a queue, for log texts; None: unknown."""
        return None

    @abstractmethod
    def delete(self, queue: str) -> Future[None]:
        """Delete a queue with its messages. A missing queue counts as deleted."""

    @abstractmethod
    def send(self, queue: str, messages: Sequence[Message]) -> Future[None]:
        """Put messages into a queue, in one commit; durable ones are safe when the future is resolved.

        NotFound, ResourceError when the queue is full and refuses, StoreError when the disk does.
        """

    @abstractmethod
    def subscribe(self, queue: str, prefetch: int, lease: float | None = None) -> Future[Subscription]:
        """Start receiving.

        NotFound, AccessRefused. ``lease`` is how many seconds each message may be held before it goes back to its
        place. None: without limit.
        """

    def pull(self, queue: str, most: int = 1) -> Future[Subscription]:
        """Start receiving on request: no message is sent unless it is asked for. NotFound, AccessRefused.

        Where nothing is ready, ``receive`` may resolve with an empty list at once. ``most``: how many may be held
        unsettled; an engine may allow more. For ``capabilities.until_empty``, a ``receive`` that is withdrawn at once
        is resolved with an empty list only if nothing was ready.
        """
        return self.subscribe(queue, most)

    def peek(self, queue: str, most: int) -> Future[list[Message]]:
        """The first ready messages; they stay in the queue. NotFound. May block."""
        raise self._denied("peek")

    def count(self, queue: str) -> Future[int]:
        """How many messages are ready: neither delayed nor held. NotFound."""
        raise self._denied("count")

    def purge(self, queue: str) -> Future[int]:
        """Drop the ready messages; returns how many there were. NotFound. May block."""
        raise self._denied("purge")

    def queues(self) -> Future[list[QueueInfo]]:
        """All queues that may be seen from here, by name."""
        raise self._denied("queues")

    def stats(self, queue: str) -> Future[QueueStats]:
        """The figures of a queue, as far as known.

        NotFound. By default only ``count``, for engines that have nothing else.
        """
        count = self.count(queue)
        future: Future[QueueStats] = Future()

        def counted() -> None:
            if count.error is not None:
                future.fail(count.error)
            else:
                future.resolve(QueueStats(ready=count.result()))

        count.when_done(counted, owed=future)
        return future

    def move(self, source: str, target: str | None, most: int) -> Future[int]:
        """Move ready messages of one queue to another, in order; returns how many. NotFound. May block.

        May stop short of ``most``; 0 means that none is left. For ``capabilities.replay``. Without a target, which is
        for ``capabilities.replay_home``, each goes to the queue where it died, and what died nowhere stays. NotFound
        also where there is nothing to move, as with a ``most`` of 0.
        """
        raise self._denied("replay")

    def transact(
        self, sends: Sequence[tuple[str, Message]], accepts: Sequence[tuple[Subscription, Incoming]]
    ) -> Future[None]:
        """Send and accept, all or nothing; on the disk when the future is resolved. LeaseLost, NotFound.

        For ``capabilities.transactions``.
        """
        raise self._denied("transactions")

    def request(self, queue: str, message: Message) -> Future[Message]:
        """Send, and resolve with the reply to it. NotFound."""
        raise self._denied("request")

    def manage(self, request: Message) -> Future[Message]:
        """Send a management request, as defined in `broker/management/`; request and answer are JSON.

        Fails with NotFound if the broker answers no such requests.
        """
        raise self._denied("requests about the broker")

    def forget(self, future: Future[Message]) -> None:  # noqa: B027
        """Forget a request: its reply is not wanted any more, or has come."""

    def reply(self, request: Message, message: Message) -> Future[None]:
        """Answer a request. It is no error if the requester has stopped waiting. For ``capabilities.request``."""
        raise self._denied("reply")

    @abstractmethod
    def close(self) -> None:
        """Close all subscriptions, then the engine; waiting calls fail with Closed. A second call does nothing.

        May block.
        """

    def _denied(self, feature: str) -> UnsupportedFeature:
        return UnsupportedFeature(f"{self.capabilities.engine}: {feature}")


def give_back(subscription: Subscription, future: Future[list[Incoming]]) -> None:
    """The waiting caller was interrupted: its messages go to others."""

    def release() -> None:
        if future.failed:
            return
        for incoming in reversed(future.result()):
            # Gone from here already when the subscription was closed meanwhile.
            with contextlib.suppress(BatonError):
                subscription.settle(incoming, "release")

    with contextlib.suppress(BatonError):
        subscription.withdraw(future)
    future.when_done(release)
