"""A consumer, as a queue sees it: it takes messages while it has room."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Protocol

from batonmq.broker.model.scheduled import Scheduled
from batonmq.purity import mypyc_attr
from batonmq.queued import Holder

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from batonmq.broker.model.clients import Subscriber
    from batonmq.fields import FieldValue
    from batonmq.message import Message
    from batonmq.queued import QueuedMessage


class Selector(Protocol):
    """A condition that messages must meet for a consumer to get them."""

    def matches(self, message: Message) -> bool:
        """Whether the message meets the condition."""
        ...


class Source(Scheduled):
    """A queue, as its consumers see it."""

    __slots__ = ()

    @abstractmethod
    def offer(self, consumer: Consumer) -> None:
        """Tell the queue that the consumer has room, or has room again."""

    @abstractmethod
    def withdraw(self, consumer: Consumer) -> None:
        """Tell the queue that the consumer has no room for now."""

    @abstractmethod
    def unsubscribe(self, consumer: Consumer) -> None:
        """Remove a consumer; it keeps the messages it holds. An auto-delete queue goes with its last one."""

    @abstractmethod
    def drain(self, consumer: Consumer) -> None:
        """Call the consumer's ``drained`` once, soon, when there is nothing for it now, or its credit is used up.

        This happens in the same turn, unless messages are being read from the store, or it has no room for those that
        there are.
        """

    @abstractmethod
    def stop_draining(self, consumer: Consumer) -> None:
        """Stop a drain: the consumer need not be told any more."""

    @property
    @abstractmethod
    def ready_count(self) -> int:
        """The number of messages that wait for a consumer."""


@mypyc_attr(allow_interpreted_subclasses=True)
class Consumer(Holder):
    """Made by a protocol for each subscription.

    A protocol decides when a consumer has room (by prefetch, credit, a socket that takes more) and says so with
    ``Queue.offer``. Room that several consumers share may be gone when the queue comes to one of them. So the queue
    asks before each delivery, and passes over consumers without room. Delivered messages stay with the consumer until
    the protocol settles them with ``Queue.accept``, ``release`` or ``reject``.
    """

    # Subclasses that live on a hot path add their own slots.
    __slots__ = ("arguments", "exclusive", "no_ack", "priority", "queue", "selector", "tag", "timeout", "waiting")

    def __init__(
        self,
        queue: Source,
        tag: str,
        *,
        no_ack: bool = False,
        exclusive: bool = False,
        priority: int = 0,
        arguments: Mapping[str, FieldValue] | None = None,
    ) -> None:
        self.queue = queue
        self.tag = tag
        # Delivered messages count as accepted at once.
        self.no_ack = no_ack
        self.exclusive = exclusive
        # Among consumers with room, those with the highest number are served first.
        self.priority = priority
        self.arguments = arguments or {}
        # Set before the consumer subscribes: it gets no messages that do not match.
        self.selector: Selector | None = None
        # The consumer's own ack timeout in milliseconds; None: that of its queue. Read when it subscribes.
        self.timeout: int | None = None
        # Is the consumer among its queue's ready ones? Set by the queue.
        self.waiting = False

    def limit_time(self, milliseconds: int | None) -> None:
        """Set the consumer's own ack timeout in milliseconds; None: that of its queue."""
        self.timeout = milliseconds

    def stand(self, waiting: bool) -> None:
        """Note whether the consumer is among its queue's ready ones. Called only by those."""
        self.waiting = waiting

    @abstractmethod
    def deliver(self, queued: QueuedMessage) -> bool:
        """Take a message; returns whether there is room for another."""

    @abstractmethod
    def has_room(self) -> bool:
        """Whether it would take a message now."""

    def room(self) -> int:
        """How many messages it would take now; a protocol with a quick ``deliver_all`` says more than one."""
        return 1 if self.has_room() else 0

    def passed_over(self) -> None:
        """The queue has removed the consumer from the ready ones, as it has no room; it must offer itself again."""

    def deliver_all(self, batch: list[QueuedMessage]) -> None:
        """Take several messages, not more than ``room`` said."""
        for queued in batch:
            self.deliver(queued)

    def is_used_up(self) -> bool:
        """Is its credit used up, so that it would take nothing even with room on the socket?

        For a queue that it drains: a consumer with credit gets more once the socket has room.
        """
        return not self.has_room()

    def drained(self) -> None:
        """The answer to ``drain``: it was given everything available, or its credit is used up."""

    def hold(self, batch: int) -> None:
        """Hold back what was just delivered until that batch of the store is committed.

        The batch notes that the messages, which are in the store already, were delivered: after a crash they come back
        marked as redelivered. A protocol that does not wait may lose that mark.
        """

    def revoked(self, queued: QueuedMessage) -> None:
        """A delivery was held past its ack timeout and has been taken back.

        The protocol still holds it, and settles it later through ``queued.settlement``, without effect: then
        ``settled_late`` is called. Until then it counts against the prefetch, so that a stuck consumer gets no more.
        """

    def settled_late(self, queued: QueuedMessage) -> None:
        """A delivery that was taken back has been settled after all, which had no other effect."""

    def activity_changed(self) -> None:
        """The queue has a single active consumer, and from now on that is this one, or no longer is."""

    def subscriber(self) -> Subscriber | None:
        """Its owner, for listings; None: no connected client."""
        return None

    def holding(self) -> Iterable[QueuedMessage]:
        """The messages it holds, for listings; empty for a client's consumer, as the client itself is asked."""
        return ()

    @abstractmethod
    def cancelled(self) -> None:
        """The queue is deleted, or has cancelled the consumer: tell the client."""
