"""A subscription: a consumer of one queue, with MESSAGE frames as deliveries, under a prefetch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol, TypeAlias

from batonmq.broker import Consumer
from batonmq.broker.model.clients import Subscriber
from batonmq.protocols.stomp.channel import CHANNEL
from batonmq.protocols.stomp.codec import V12
from batonmq.protocols.stomp.subscribe_request import AUTO, SubscribeRequest
from batonmq.protocols.stomp.templates import Templates

if TYPE_CHECKING:
    from batonmq.broker import Queue
    from batonmq.protocols.sessions.link import Link
    from batonmq.protocols.stomp.delivery_ids import DeliveryIds
    from batonmq.protocols.stomp.destinations import Destination
    from batonmq.protocols.stomp.parser import Event
    from batonmq.protocols.stomp.terms import Terms
    from batonmq.queued import QueuedMessage

__all__ = ["UNLIMITED", "Subscription", "Taken"]

Taken: TypeAlias = "list[tuple[Subscription, int, QueuedMessage]]"
"""Deliveries being settled: their subscription, numbers and messages."""

# Stands for no limit.
UNLIMITED: Final = 1 << 60
# The approximate octets of a MESSAGE without its body, for the limit of the output.
FRAME_OCTETS: Final = 128


class Owner(Protocol):
    """The owner of a subscription."""

    def cancelled(self, subscription: Subscription) -> None:
        """The broker ended it: its queue is gone."""


class Group(Protocol):
    """All subscriptions that one SUBSCRIBE made."""

    def remove(self, member: Subscription) -> None:
        """One subscription has ended; the others go on."""


class Subscription(Consumer):
    """The consumer of one queue; a SUBSCRIBE makes one, or several of a ``group``."""

    __slots__ = (
        "_counts",
        "_credit",
        "_has_ack",
        "_ids",
        "_link",
        "_output",
        "_owner",
        "_templates",
        "_window",
        "destination",
        "durable_queue",
        "group",
        "id",
        "is_implicit",
        "is_over",
        "mode",
        "number",
        "prefetch",
        "unsettled",
    )

    def __init__(
        self,
        queue: Queue,
        request: SubscribeRequest,
        destination: Destination,
        *,
        link: Link[Event],
        terms: Terms,
        ids: DeliveryIds,
        owner: Owner,
        durable_queue: str = "",
        group: Group | None = None,
        is_implicit: bool = False,
    ) -> None:
        """``destination``: the one of the request's destinations that ``queue`` belongs to."""
        mode = request.mode
        super().__init__(
            queue, request.key, no_ack=mode == AUTO, priority=request.priority, arguments=request.arguments
        )
        # The broker delivers only messages that this selects; the rest is for others.
        self.selector = request.selector
        self.id = request.id
        self.destination = destination
        self.mode = mode
        self.durable_queue = durable_queue
        """The queue's name, if an UNSUBSCRIBE may delete it."""
        self.group = group
        """The group that it belongs to; None: it is the only one of its SUBSCRIBE."""
        self.is_implicit = is_implicit
        """Was it created for a reply-to? Then it cannot be unsubscribed."""
        self.is_over = False
        """Has it ended? Its deliveries may still be settled."""
        self.number = ids.new_subscription()
        """Its number in the ids of its deliveries."""
        self.unsettled: dict[int, QueuedMessage] = {}
        """Unsettled deliveries by the number in their id, oldest first."""
        self._has_ack = mode != AUTO and terms.version == V12
        # How many more messages, and octets, it takes before it must settle some.
        self.prefetch = request.prefetch
        """How many messages it may hold at once; 0: no limit."""
        self._credit = request.prefetch or UNLIMITED
        self._window = request.window or UNLIMITED
        self._owner = owner
        self._ids = ids
        self._link = link
        self._output = link.output
        self._counts = link.counts.direct
        self._templates = Templates(
            terms,
            ids.prefix(self.number),
            shown_id=self.id,
            destination=destination,
            queue=queue.name,
            has_ack=self._has_ack,
        )

    # ------------------------------------------------------------------ deliveries

    def deliver(self, queued: QueuedMessage) -> bool:
        """Take a message; returns whether there is room for another."""
        self.deliver_all([queued])
        return self.has_room()

    def deliver_all(self, batch: list[QueuedMessage]) -> None:
        """Take several messages. CPython 3.11, 16 octets in 1.2 with acknowledgements: 0.55 us each."""
        output = self._output
        chunks = output.begin()
        count = len(batch)
        tag = self._ids.reserve(count)
        has_ack = self._has_ack
        unsettled = None if self.no_ack else self.unsettled
        templates = self._templates
        size = redelivered = 0
        for queued in batch:
            message = queued.message
            tag += 1
            if (
                message.properties is not templates.properties
                or message.routing_key is not templates.routing_key
                or message.exchange is not templates.exchange
            ):
                templates.choose(message)
            template = templates.current
            length = message.size
            body = message.payload
            if length != len(body):
                body = message.body
            # A NUL would end the text.
            is_text = templates.is_text and b"\0" not in body
            if queued.returns or queued.expires_at or is_text is not templates.is_text:
                template = templates.special(queued, is_text=is_text)
                if queued.returns:
                    redelivered += 1
            if has_ack:
                chunks.append(template % (tag, tag, length, body))
            else:
                chunks.append(template % (tag, length, body))
            size += length
            if unsettled is not None:
                unsettled[tag] = queued
        output.count(size + FRAME_OCTETS * count)
        self._counts.add_delivered(count, redelivered, no_ack=unsettled is None)
        if unsettled is not None:
            self._credit -= count
            self._window -= size

    def hold(self, batch: int) -> None:
        """Hold back the latest deliveries until that batch of the store is committed."""
        self._link.barrier.hold(batch)

    def subscriber(self) -> Subscriber | None:
        client = self._link.client
        return Subscriber(client, CHANNEL, self.prefetch) if client is not None else None

    # ------------------------------------------------------------------ what is unsettled

    def take(self, tag: int) -> QueuedMessage:
        """Take the message with this number, to be settled."""
        return self.unsettled.pop(tag)

    def take_up_to(self, tag: int) -> Taken:
        """Take all unsettled deliveries up to this number, to be settled."""
        unsettled = self.unsettled
        tags = []
        # Numbers go up, over all subscriptions.
        for number in unsettled:
            if number > tag:
                break
            tags.append(number)
        return [(self, number, unsettled.pop(number)) for number in tags]

    def take_all(self) -> list[QueuedMessage]:
        """Take all unsettled deliveries, oldest first."""
        held = list(self.unsettled.values())
        self.unsettled.clear()
        return held

    def put_back(self, taken: dict[int, QueuedMessage]) -> None:
        """Put deliveries back under their numbers: they are unsettled again."""
        self.unsettled = dict(sorted({**taken, **self.unsettled}.items()))

    # ------------------------------------------------------------------ room

    def room(self) -> int:
        """How many messages it would take now."""
        if not self.has_room():
            return 0
        if self.no_ack:
            return UNLIMITED
        # Octets are only known message by message.
        return self._credit if self._window >= UNLIMITED >> 1 else 1

    def has_room(self) -> bool:
        """Would it take a message now?"""
        output = self._output
        if output.unsent >= output.limit:
            return False
        return self.no_ack or (self._credit > 0 and self._window > 0)

    def give_credit(self, count: int, size: int) -> None:
        """Count settled deliveries, with their octets."""
        self._credit += count
        self._window += size

    def offer(self) -> None:
        """There may be room again."""
        if not self.waiting and self.has_room():
            self.queue.offer(self)

    def withdraw(self) -> None:
        """There is no room for now: the client does not read."""
        if self.waiting:
            self.queue.withdraw(self)

    # ------------------------------------------------------------------ its end

    def stop(self) -> list[Subscription]:
        """Stop deliveries; unsettled ones stay unsettled. Returns the subscriptions concerned: itself."""
        if not self.is_over:
            self._end()
            self.queue.unsubscribe(self)
        return [self]

    def cancelled(self) -> None:
        """The queue is gone: there are no more deliveries, and the client is told."""
        self._end()
        self._owner.cancelled(self)

    def _end(self) -> None:
        # Acknowledgements must not offer it again.
        self._credit = -UNLIMITED
        self.is_over = True
