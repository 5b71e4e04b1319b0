# Generated from engines/asynchronous.py by scripts/unasync.py: change that file instead.
"""What every engine does.

A feature that ``capabilities`` denies raises UnsupportedFeature
before anything is sent. Every method raises Closed after ``close``, and ConnectionLost when the engine is out of reach.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from batonmq.engines.values import Capabilities, Incoming, Message, QueueOptions

__all__ = ["Engine", "Settlement", "Subscription"]

# A subscription, and what is accepted through it.
Settlement = tuple["Subscription", Incoming]


class Subscription(ABC):
    """Takes messages from one queue. What it holds unsettled comes back to the queue when it is closed."""

    @abstractmethod
    def receive(self, most: int, wait: float | None) -> list[Incoming]:
        """Up to so many messages, as soon as there is one.

        An empty list when none came in ``wait`` seconds (None: wait for ever). Never more are held unsettled than the
        prefetch. Raises NotFound when the queue was deleted.
        """

    @abstractmethod
    def accept(self, incoming: Incoming) -> None:
        """Done with it. Returns before that is on the disk: after a crash it may come once more. Raises LeaseLost."""

    @abstractmethod
    def release(self, incoming: Incoming) -> None:
        """Back to its place in the queue, for whoever asks next. Raises LeaseLost."""

    @abstractmethod
    def reject(self, incoming: Incoming, reason: str) -> None:
        """Never again: to the dead letters of the queue, with the reason, or away. Raises LeaseLost."""

    @abstractmethod
    def close(self) -> None:
        """Give back what is held. A second call does nothing."""


class Engine(ABC):
    """Queues, wherever they live."""

    capabilities: Capabilities

    @property
    @abstractmethod
    def native(self) -> object:
        """The library below, for what only it can do."""

    @abstractmethod
    def declare(self, queue: str, options: QueueOptions) -> None:
        """Make a queue; one that is there already stays. Raises PreconditionFailed when that one is different."""

    @abstractmethod
    def delete(self, queue: str) -> None:
        """Delete a queue with its messages; one that is not there is deleted already."""

    @abstractmethod
    def send(self, queue: str, messages: Sequence[Message]) -> None:
        """Put messages into a queue, in one commit; durable ones are safe when this returns.

        Raises NotFound, ResourceError when the queue is full and refuses, StoreError when the disk does.
        """

    @abstractmethod
    def subscribe(self, queue: str, prefetch: int) -> Subscription:
        """Begin to take messages. Raises NotFound, AccessRefused."""

    @abstractmethod
    def peek(self, queue: str, most: int) -> list[Message]:
        """The first ready messages, which stay where they are. Raises NotFound."""

    @abstractmethod
    def count(self, queue: str) -> int:
        """How many messages are ready: not delayed, in nobody's hands. Raises NotFound."""

    @abstractmethod
    def purge(self, queue: str) -> int:
        """Drop what is ready; tells how many messages that were. Raises NotFound."""

    @abstractmethod
    def move(self, source: str, target: str, most: int | None) -> int:
        """Send ready messages of one queue to another, the first first; tells how many. Raises NotFound."""

    @abstractmethod
    def transact(self, sends: Sequence[tuple[str, Message]], accepts: Sequence[Settlement]) -> None:
        """Send and accept, all or nothing; on the disk when this returns. Raises LeaseLost, NotFound."""

    @abstractmethod
    def request(self, queue: str, message: Message, timeout: float | None) -> Message:
        """Send, and return the reply to it. Raises TimeoutError, NotFound."""

    @abstractmethod
    def reply(self, request: Message, message: Message) -> None:
        """Answer a request. Nobody may be waiting any more: that is not an error."""

    @abstractmethod
    def close(self) -> None:
        """Close all subscriptions, then the engine. A second call does nothing."""
