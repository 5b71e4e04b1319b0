"""What a channel knows; its parts (consuming, publishing, the methods) are built on it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from typing import TYPE_CHECKING

from batonmq.protocols.amqp091.encoder import method_frame
from batonmq.protocols.amqp091.sharing import Line

if TYPE_CHECKING:
    from batonmq.message import QueuedMessage
    from batonmq.protocols.amqp091.consuming import AmqpConsumer, ReplyConsumer
    from batonmq.protocols.amqp091.failures import ProtocolFailure
    from batonmq.protocols.amqp091.methods import Method
    from batonmq.protocols.amqp091.session import AmqpSession
    from batonmq.protocols.amqp091.transactions import Transaction

# What an unlimited prefetch amounts to.
UNLIMITED = 1 << 60


class ChannelState(ABC):
    """See the module."""

    __slots__ = (
        "called",
        "confirmable",
        "confirmed",
        "confirming",
        "consumers",
        "credit",
        "delivery_tag",
        "failure",
        "global_prefetch",
        "is_closing",
        "last_queue",
        "line",
        "number",
        "prefetch",
        "published",
        "publishes_plainly",
        "refused",
        "reply_consumer",
        "session",
        "settled_up_to",
        "stored_batch",
        "transaction",
        "unconfirmed",
        "unsettled",
    )

    def __init__(self, session: AmqpSession, number: int) -> None:
        self.session = session
        self.number = number
        # We have sent channel.close: all but close and close-ok is ignored (§1.5.2.5).
        self.is_closing = False
        # An error that waits until the publishes before it are confirmed: its code, text and method.
        self.failure: tuple[ProtocolFailure, int, int] | None = None
        self.last_queue = ""
        # Consuming.
        self.consumers: dict[str, AmqpConsumer] = {}
        self.reply_consumer: ReplyConsumer | None = None
        self.prefetch = 0
        self.global_prefetch = 0
        self.credit = UNLIMITED
        # Who waits for room that the channel's consumers share, and who was called from there in this turn.
        self.line = Line()
        self.called: dict[AmqpConsumer, None] = {}
        self.delivery_tag = 0
        self.unsettled: dict[int, QueuedMessage] = {}
        self.settled_up_to = 1
        # Publishing.
        self.publishes_plainly = True
        self.confirming = False
        self.published = 0
        self.confirmable = 0
        self.confirmed = 0
        # Publishes that got their basic.nack, and stand above what is confirmed.
        self.refused: deque[int] = deque()
        # The last publish that waits for a batch of the store, and the batch.
        self.unconfirmed: deque[tuple[int, int]] = deque()
        self.stored_batch = 0
        self.transaction: Transaction | None = None

    def has_room_for(self, consumer: AmqpConsumer) -> bool:
        """Is there room under the limit of the channel that is not kept for others?"""
        called = self.called
        return self.credit > (len(called) - (consumer in called) if called else 0)

    def send(self, method: Method) -> None:
        """Send a method on this channel."""
        self.session.send(method_frame(self.number, method))

    @abstractmethod
    def fail(self, failure: ProtocolFailure, class_id: int, method_id: int) -> None:
        """Close the channel with an error of the client's."""
