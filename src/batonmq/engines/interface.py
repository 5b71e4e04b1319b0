"""The one interface between the API and wherever queues live.

Nothing here waits. What takes time returns a future, which a thread waits for or an event loop is told about, so that
one implementation serves both faces of the API. All methods may be called from any thread; those that say so may block
for a commit, and an event loop calls them in a thread.

Futures fail, and methods raise: Closed after ``close``, ConnectionLost when the engine is out of reach, and what each
says. What ``capabilities`` denies is never asked of an engine, and need not be written: what is not abstract here
raises UnsupportedFeature.
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
    """Takes messages from one queue. What it holds unsettled comes back to the queue when it is closed."""

    __slots__ = ()

    @abstractmethod
    def receive(self, most: int) -> Future[list[Incoming]]:
        """Up to that many messages, as soon as there is one; never more are held unsettled than the prefetch.

        Fails with NotFound when the queue was deleted.
        """

    @abstractmethod
    def withdraw(self, future: Future[list[Incoming]]) -> None:
        """Nobody wants to wait any longer: the future is resolved soon, with an empty list or what has just come."""

    @abstractmethod
    def settle(self, incoming: Incoming, how: How, reason: str = "", delay: float | None = None) -> Future[None] | None:
        """accept: done with it. release: back to its place. reject: to the dead letters of the queue, or away.

        ``delay``, of a release, is in seconds; None: whatever the queue was declared with. Raises LeaseLost when the
        message is not held here. Returns None when it is done, or on its way; a future when nobody can be told now, so
        that whoever settles has to wait: LeaseLost, if the message was given to others meanwhile.
        """

    def renew(self, incoming: Incoming, seconds: float) -> Future[None]:
        """It may be held for that many seconds from now on. LeaseLost when it is not held here any more.

        For ``capabilities.lease``.
        """
        raise UnsupportedFeature("this engine: renew")

    def report(self, incoming: Incoming, fraction: float, note: str) -> None:  # noqa: B027
        """Tell the broker how far the work on it is, 0 to 1: a note for people. Nobody is told whether it arrived.

        For ``capabilities.progress``.
        """

    @abstractmethod
    def close(self) -> Future[None]:
        """Give back what is held; what waits is resolved with nothing. A second call does nothing.

        ``receive`` fails with Closed afterwards.
        """


class Engine(ABC):
    """Queues, wherever they live.

    An engine has to declare, delete, send and subscribe. Everything else belongs to a feature of `Capabilities`.
    """

    capabilities: Capabilities
    system: str = "batonmq"
    """What holds the queues, in lower case: 'batonmq', 'rabbitmq' or another broker."""
    place: str = ""
    """Where it leads, for whoever reads an error: a file, or the URL of a broker without the log-in."""
    is_traced: bool = False
    """Are there spans of OpenTelemetry around what is done here?"""

    def opened_at(self, place: str) -> None:
        """Say where it leads."""
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
        """Make a queue; one that is there stays. PreconditionFailed when that one is different."""

    def check_declare(self, queue: str, options: QueueOptions) -> None:  # noqa: B027
        """Raises what ``declare`` would refuse them with before it has asked anybody, and nothing where that cannot be
        told: UnsupportedFeature, AccessRefused, ValueError.
        """

    def fate(self, queue: str) -> Fate | None:
        """What becomes of what is given up there, for whoever writes a log; None: it is not known here."""
        return None

    @abstractmethod
    def delete(self, queue: str) -> Future[None]:
        """Delete a queue with its messages; one that is not there is deleted already."""

    @abstractmethod
    def send(self, queue: str, messages: Sequence[Message]) -> Future[None]:
        """Put messages into a queue, in one commit; durable ones are safe when the future is resolved.

        NotFound, ResourceError when the queue is full and refuses, StoreError when the disk does.
        """

    @abstractmethod
    def subscribe(self, queue: str, prefetch: int, lease: float | None = None) -> Future[Subscription]:
        """Begin to take messages. NotFound, AccessRefused.

        ``lease`` is how many seconds each may be held; then it goes back to its place. None: as long as it likes.
        """

    def pull(self, queue: str, most: int = 1) -> Future[Subscription]:
        """Begin to take messages when they are asked for: none is on its way to whoever has not. NotFound,
        AccessRefused.

        Where nothing is ready, ``receive`` may resolve with an empty list at once. ``most``: how many may be held
        unsettled; an engine may allow more. For ``capabilities.until_empty``, a ``receive`` that is withdrawn at once
        is resolved with an empty list only if nothing was ready.
        """
        return self.subscribe(queue, most)

    def peek(self, queue: str, most: int) -> Future[list[Message]]:
        """The first ready messages, which stay where they are. NotFound. May block."""
        raise self._denied("peek")

    def count(self, queue: str) -> Future[int]:
        """How many messages are ready: not delayed, in nobody's hands. NotFound."""
        raise self._denied("count")

    def purge(self, queue: str) -> Future[int]:
        """Drop what is ready; returns how many messages that were. NotFound. May block."""
        raise self._denied("purge")

    def queues(self) -> Future[list[QueueInfo]]:
        """All queues that may be seen from here, by name."""
        raise self._denied("queues")

    def stats(self, queue: str) -> Future[QueueStats]:
        """How a queue stands, as far as it is known. NotFound.

        Here it is no more than ``count``, for engines that have nothing else.
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
        """Send ready messages of one queue to another, the first first; returns how many. NotFound. May block.

        May stop short of ``most``; 0 means that none is left. For ``capabilities.replay``. Without a target, which is
        for ``capabilities.replay_home``, each goes to the queue where it died, and what died nowhere stays.
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
        """Ask the broker about itself: a request as `broker/management/` has them, and its answer, both in JSON.

        Fails with NotFound where the broker answers no such requests.
        """
        raise self._denied("requests about the broker")

    def forget(self, future: Future[Message]) -> None:  # noqa: B027
        """The reply, or the answer, is not wanted any more, or has come."""

    def reply(self, request: Message, message: Message) -> Future[None]:
        """Answer a request. Nobody may be waiting any more: that is not an error. For ``capabilities.request``."""
        raise self._denied("reply")

    @abstractmethod
    def close(self) -> None:
        """Close all subscriptions, then the engine; whoever waits is told by Closed. A second call does nothing.

        May block.
        """

    def _denied(self, feature: str) -> UnsupportedFeature:
        return UnsupportedFeature(f"{self.capabilities.engine}: {feature}")


def give_back(subscription: Subscription, future: Future[list[Incoming]]) -> None:
    """The caller that waited was interrupted: its messages go to others."""

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
