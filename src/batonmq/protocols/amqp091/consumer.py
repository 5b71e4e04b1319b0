"""A consumer of a channel: takes deliveries under its prefetch, and that of its channel (AMQP 0-9-1 §1.8.3)."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from batonmq.broker import Consumer
from batonmq.broker.features.dead_letters import counted
from batonmq.broker.model.clients import Subscriber
from batonmq.broker.routing.direct_replies import NOBODY
from batonmq.protocols.amqp091.credit import UNLIMITED
from batonmq.protocols.amqp091.encoder import deliver_prefix
from batonmq.queued import QueuedMessage

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from batonmq.broker.model.consumer import Source
    from batonmq.broker.routing.direct_replies import ReplyDesk
    from batonmq.fields import FieldValue
    from batonmq.protocols.amqp091.credit import ChannelCredit
    from batonmq.protocols.amqp091.deliveries import Deliveries
    from batonmq.protocols.amqp091.parser import Event
    from batonmq.protocols.sessions.link import Link

log = logging.getLogger("batonmq.amqp")

# Direct replies are dropped while this many bytes of output wait for their client.
REPLIES_MAX = 64 << 20


class Outlet:
    """The parts of a channel through which its consumers deliver."""

    __slots__ = ("barrier", "client", "credit", "deliveries", "number", "output", "peer")

    def __init__(self, number: int, link: Link[Event], deliveries: Deliveries, credit: ChannelCredit) -> None:
        """``number`` is the channel's."""
        self.number = number
        self.client = link.client
        self.peer = link.host.peer
        """The client's address, for the log."""
        self.output = link.output
        self.barrier = link.barrier
        self.deliveries = deliveries
        self.credit = credit


class AmqpConsumer(Consumer):
    """One basic.consume."""

    __slots__ = ("_on_cancel", "_outlet", "_prefetch", "_prefix", "_shows_count", "credit")

    def __init__(
        self,
        outlet: Outlet,
        queue: Source,
        tag: str,
        prefetch: int,
        on_cancel: Callable[[AmqpConsumer], None],
        *,
        no_ack: bool,
        exclusive: bool = False,
        priority: int = 0,
        arguments: Mapping[str, FieldValue] | None = None,
        shows_count: bool = False,
    ) -> None:
        """``prefetch`` of 0 is no limit; ``on_cancel`` is called when the queue is deleted, or cancels the consumer.

        With ``shows_count`` each returned message carries its count, even in queues that do not send it otherwise.
        Clients written for RabbitMQ do not expect an additional header in messages of classic queues.
        """
        super().__init__(queue, tag, no_ack=no_ack, exclusive=exclusive, priority=priority, arguments=arguments)
        self._outlet = outlet
        self._on_cancel = on_cancel
        self._prefix = deliver_prefix(outlet.number, tag)
        self._shows_count = shows_count
        self._prefetch = self.credit = prefetch or UNLIMITED
        """``credit``: how many more messages it takes before it must settle some."""

    def deliver(self, queued: QueuedMessage) -> bool:
        self.deliver_all([queued])
        return self.has_room()

    def deliver_all(self, batch: list[QueuedMessage]) -> None:
        outlet = self._outlet
        shown = batch
        if self._shows_count:
            shown = [_with_count(queued) if queued.return_count else queued for queued in batch]
        outlet.deliveries.send(self._prefix, batch, shown, no_ack=self.no_ack)
        count = 0 if self.no_ack else len(batch)
        self.credit -= count
        outlet.credit.take(self, count)

    def room(self) -> int:
        outlet = self._outlet
        output = outlet.output
        shared = outlet.credit
        if shared.called:
            return 1 if self.has_room() else 0
        if output.unsent >= output.limit or shared.left <= 0:
            return 0
        # A credit below 0 is no room either.
        return UNLIMITED if self.no_ack else max(0, min(self.credit, shared.left))

    def has_room(self) -> bool:
        outlet = self._outlet
        output = outlet.output
        if output.unsent >= output.limit:
            return False
        shared = outlet.credit
        # Deliveries without acknowledgement do not count, but still wait for the channel's room, as in RabbitMQ.
        if shared.left <= 0 or (shared.called and not shared.has_room_for(self)):
            return False
        return self.no_ack or self.credit > 0

    def passed_over(self) -> None:
        shared = self._outlet.credit
        if (self.no_ack or self.credit > 0) and not shared.has_room_for(self):
            shared.join(self)

    def hold(self, batch: int) -> None:
        self._outlet.barrier.hold(batch)

    def settled(self, count: int) -> None:
        """That many deliveries were settled: the consumer may have as many others."""
        self.credit += count

    def unsettled(self, count: int) -> None:
        """That many settled deliveries are held again."""
        self.credit -= count

    def offer(self) -> None:
        """Offer the consumer to its queue, if it has room again."""
        if not self.waiting and self.has_room():
            self.queue.offer(self)

    def set_prefetch(self, prefetch: int) -> None:
        """Change the prefetch; the messages that are held count towards it."""
        before, self._prefetch = self._prefetch, prefetch or UNLIMITED
        self.credit += self._prefetch - before

    def subscriber(self) -> Subscriber | None:
        outlet = self._outlet
        prefetch = 0 if self._prefetch == UNLIMITED else self._prefetch
        return Subscriber(outlet.client, outlet.number, prefetch) if outlet.client is not None else None

    def stop(self) -> None:
        """Stop deliveries: acknowledgements must not offer the consumer again."""
        self.credit = -UNLIMITED
        self._outlet.credit.leave(self)

    def cancelled(self) -> None:
        self.stop()
        self._on_cancel(self)


def _with_count(queued: QueuedMessage) -> QueuedMessage:
    """The message with its delivery count, for one consumer; the message in the queue stays as it is."""
    shown = QueuedMessage(counted(queued.message, queued.return_count), queued.settlement, queued.row)
    shown.count_as(queued.returns)
    return shown


class ReplyConsumer(AmqpConsumer):
    """Consumes from the pseudo-queue of direct replies; has no queue that could wait for it."""

    __slots__ = ("_is_dropping", "_replies", "token")

    def __init__(self, outlet: Outlet, replies: ReplyDesk, tag: str, on_cancel: Callable[[AmqpConsumer], None]) -> None:
        super().__init__(outlet, NOBODY, tag, 0, on_cancel, no_ack=True)
        self._is_dropping = False
        self._replies = replies
        self.token = replies.open(self)
        """The address under which replies come to it."""

    def deliver(self, queued: QueuedMessage) -> bool:
        if self._outlet.output.unsent >= REPLIES_MAX:
            # The sender of a reply cannot wait for another client, and no queue keeps unread replies.
            if not self._is_dropping:
                log.warning("%s: replies are dropped: the client does not read those that came", self._outlet.peer)
            self._is_dropping = True
            return False
        self._is_dropping = False
        return super().deliver(queued)

    def offer(self) -> None:
        """Do nothing: replies do not wait."""

    def passed_over(self) -> None:
        """Do nothing: there is no queue that could be asked when the channel has room again."""

    def stop(self) -> None:
        """Stop deliveries of replies."""
        super().stop()
        self._replies.close(self.token)
