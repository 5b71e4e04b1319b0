"""The one value that travels through every layer: a message, and its place in a queue."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from batonmq.broker.lanes.lane import Lane
    from batonmq.broker.model.consumer import Consumer
    from batonmq.properties import Properties

# How a queued message is kept in the store.
IN_MEMORY = 0
"""Nowhere: a transient message in the window of its queue."""
DURABLE = 1
"""A persistent message of a durable queue: it survives a crash."""
SPILLED = 2
"""A transient message that did not fit into memory: the store forgets it at the next start."""

# Where a queued message is.
READY = 0
"""In its queue."""
HELD = 1
"""In a consumer's hands, unsettled."""
GONE = 2
"""Settled, expired or purged; what still refers to it skips it."""
DELAYED = 3
"""Waiting for its time, and not ready before."""


class Message:
    """What a producer published: where to, its properties and its body.

    The body is ``payload[start:start + size]``. A protocol may leave the bytes around it as they came, so that they
    can go out again untouched: ``framed_on`` then holds the number of the AMQP 0-9-1 channel whose content frames
    the payload is; 0 means that the payload is the bare body.
    """

    __slots__ = ("exchange", "framed_on", "payload", "properties", "routing_key", "shared_id", "size", "start")

    is_dead_letter: ClassVar[bool] = False
    """Is the record of deaths in its headers the broker's own? Whatever else is there, a client has written."""

    def __init__(
        self,
        exchange: str,
        routing_key: str,
        properties: Properties,
        payload: bytes,
        start: int = 0,
        size: int = -1,
        framed_on: int = 0,
    ) -> None:
        self.exchange = exchange
        self.routing_key = routing_key
        self.properties = properties
        self.payload = payload
        self.start = start
        self.size = size if size >= 0 else len(payload)
        self.framed_on = framed_on
        # Set by the store where several queues share one large body.
        self.shared_id = 0

    @property
    def body(self) -> bytes:
        """The body alone."""
        if self.start == 0 and self.size == len(self.payload):
            return self.payload
        return self.payload[self.start : self.start + self.size]

    def with_properties(self, properties: Properties) -> Message:
        """The same body and address with other properties."""
        return type(self)(self.exchange, self.routing_key, properties, self.body)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} to {self.exchange!r}/{self.routing_key!r}, {self.size} bytes>"


class DeadLetter(Message):
    """A message that the broker has dead-lettered: the headers x-death and the like are its own record."""

    __slots__ = ()

    is_dead_letter = True


class QueuedMessage:
    """A message in one queue: its place there and what happened to it.

    ``row`` is its place and its key in the store: the lane's number in the high bits, the position in the low ones.
    """

    __slots__ = ("deliveries", "expires_at", "holder", "lane", "message", "row", "state", "stored")

    def __init__(self, message: Message, lane: Lane, row: int) -> None:
        self.message = message
        self.lane = lane
        self.row = row
        # READY, HELD, GONE or DELAYED.
        self.state = 0
        # IN_MEMORY, DURABLE or SPILLED.
        self.stored = 0
        # How often it came back from a consumer: 0 before the first hand-over has failed.
        self.deliveries = 0
        # Milliseconds of the epoch; 0: never.
        self.expires_at = 0
        # The consumer that holds it; None also when it was fetched one by one.
        self.holder: Consumer | None = None

    def __repr__(self) -> str:
        return f"<QueuedMessage {self.row:#x} of {self.lane.queue.name!r}>"
