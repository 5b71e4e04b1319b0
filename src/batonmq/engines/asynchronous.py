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
    async def receive(self, most: int, wait: float | None) -> list[Incoming]:
        """Up to so many messages, as soon as there is one.

        An empty list when none came in ``wait`` seconds (None: wait for ever). Never more are held unsettled than the
        prefetch. Raises NotFound when the queue was deleted.
        """

    @abstractmethod
    async def accept(self, incoming: Incoming) -> None:
        """Done with it. Returns before that is on the disk: after a crash it may come once more. Raises LeaseLost."""

    @abstractmethod
    async def release(self, incoming: Incoming) -> None:
        """Back to its place in the queue, for whoever asks next. Raises LeaseLost."""

    @abstractmethod
    async def reject(self, incoming: Incoming, reason: str) -> None:
        """Never again: to the dead letters of the queue, with the reason, or away. Raises LeaseLost."""

    @abstractmethod
    async def close(self) -> None:
        """Give back what is held. A second call does nothing."""


class Engine(ABC):
    """Queues, wherever they live."""

    capabilities: Capabilities

    @property
    @abstractmethod
    def native(self) -> object:
        """The library below, for what only it can do."""

    @abstractmethod
    async def declare(self, queue: str, options: QueueOptions) -> None:
        """Make a queue; one that is there already stays. Raises PreconditionFailed when that one is different."""

    @abstractmethod
    async def delete(self, queue: str) -> None:
        """Delete a queue with its messages; one that is not there is deleted already."""

    @abstractmethod
    async def send(self, queue: str, messages: Sequence[Message]) -> None:
        """Put messages into a queue, in one commit; durable ones are safe when this returns.

        Raises NotFound, ResourceError when the queue is full and refuses, StoreError when the disk does.
        """

    @abstractmethod
    async def subscribe(self, queue: str, prefetch: int) -> Subscription:
        """Begin to take messages. Raises NotFound, AccessRefused."""

    @abstractmethod
    async def peek(self, queue: str, most: int) -> list[Message]:
        """The first ready messages, which stay where they are. Raises NotFound."""

    @abstractmethod
    async def count(self, queue: str) -> int:
        """How many messages are ready: not delayed, in nobody's hands. Raises NotFound."""

    @abstractmethod
    async def purge(self, queue: str) -> int:
        """Drop what is ready; tells how many messages that were. Raises NotFound."""

    @abstractmethod
    async def move(self, source: str, target: str, most: int | None) -> int:
        """Send ready messages of one queue to another, the first first; tells how many. Raises NotFound."""

    @abstractmethod
    async def transact(self, sends: Sequence[tuple[str, Message]], accepts: Sequence[Settlement]) -> None:
        """Send and accept, all or nothing; on the disk when this returns. Raises LeaseLost, NotFound."""

    @abstractmethod
    async def request(self, queue: str, message: Message, timeout: float | None) -> Message:  # noqa: ASYNC109
        """Send, and return the reply to it. Raises TimeoutError, NotFound."""

    @abstractmethod
    async def reply(self, request: Message, message: Message) -> None:
        """Answer a request. Nobody may be waiting any more: that is not an error."""

    @abstractmethod
    async def close(self) -> None:
        """Close all subscriptions, then the engine. A second call does nothing."""
