"""Deliveries on a channel: handed out under prefetch, and settled by acknowledgements (AMQP 0-9-1 §1.8.3)."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from batonmq.broker import Consumer
from batonmq.broker.features.dead_letters import counted
from batonmq.message import QueuedMessage
from batonmq.protocols.amqp091 import methods
from batonmq.protocols.amqp091.channel_state import UNLIMITED, ChannelState
from batonmq.protocols.amqp091.encoder import append_deliveries, deliver_prefix, method_frame
from batonmq.protocols.amqp091.failures import ProtocolFailure

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from batonmq.broker import Queue
    from batonmq.fields import FieldValue
    from batonmq.message import Settlement as Settler

log = logging.getLogger("batonmq.amqp")

# Direct replies are dropped while so many bytes of output wait for their client.
REPLIES_MAX = 64 << 20


class AmqpConsumer(Consumer):
    """One basic.consume."""

    __slots__ = ("channel", "credit", "limit", "prefix")

    def __init__(
        self,
        channel: ChannelState,
        queue: Queue,
        tag: str,
        prefetch: int,
        *,
        no_ack: bool,
        exclusive: bool,
        priority: int,
        arguments: Mapping[str, FieldValue],
    ) -> None:
        super().__init__(queue, tag, no_ack=no_ack, exclusive=exclusive, priority=priority, arguments=arguments)
        self.channel = channel
        self.prefix = deliver_prefix(channel.number, tag)
        # How many more messages it takes before it must settle some.
        self.limit = prefetch or UNLIMITED
        self.credit = self.limit

    def set_prefetch(self, prefetch: int) -> None:
        """Another limit from now on; what it holds counts towards it."""
        before, self.limit = self.limit, prefetch or UNLIMITED
        self.credit += self.limit - before

    def deliver(self, queued: QueuedMessage) -> bool:
        self.deliver_all([queued])
        return self.has_room()

    def deliver_all(self, batch: list[QueuedMessage]) -> None:
        channel = self.channel
        session = channel.session
        if not session.output:
            session.host.wake()
        tag = channel.delivery_tag + 1
        self.write(tag, batch)
        count = len(batch)
        channel.delivery_tag += count
        size = 128 * count
        unsettled = channel.unsettled
        for queued in batch:
            size += queued.message.size
            if not self.no_ack:
                unsettled[tag] = queued
                tag += 1
        session.unsent += size
        if not self.no_ack:
            self.credit -= count
            channel.credit -= count
        if channel.called:
            channel.called.pop(self, None)

    def write(self, tag: int, batch: list[QueuedMessage]) -> None:
        """The frames of these deliveries, with delivery tags from ``tag`` on."""
        channel = self.channel
        session = channel.session
        append_deliveries(session.output, self.prefix, tag, channel.number, batch, session.frame_max)

    def room(self) -> int:
        if not self.has_room():
            return 0
        if self.channel.called:
            return 1
        return UNLIMITED if self.no_ack else min(self.credit, self.channel.credit)

    def has_room(self) -> bool:
        channel = self.channel
        session = channel.session
        if session.is_choked or session.unsent >= session.unsent_max:
            return False
        # What needs no acknowledgement is not counted, and waits for the channel's room all the same, as in RabbitMQ.
        if channel.credit <= 0 or (channel.called and not channel.has_room_for(self)):
            return False
        return self.no_ack or self.credit > 0

    def passed_over(self) -> None:
        channel = self.channel
        if (self.no_ack or self.credit > 0) and not channel.has_room_for(self):
            channel.line.join(self)

    def hold(self, batch: int) -> None:
        self.channel.session.gate.hold(batch)

    def cancelled(self) -> None:
        channel = self.channel
        channel.consumers.pop(self.tag, None)
        channel.line.leave(self)
        # Acknowledgements of what it was given must not put it back in line.
        self.credit = -UNLIMITED
        if channel.session.wants_cancel_notify:
            # After the answer to whoever deleted the queue: clients that did it themselves wait for that first.
            channel.session.send_last(
                method_frame(channel.number, methods.BasicCancel(consumer_tag=self.tag, no_wait=True))
            )


class CountingConsumer(AmqpConsumer):
    """One that wants to know how often a message came back, of queues too that tell nobody else.

    Clients written for RabbitMQ take a header that they did not send for a change of their message: its classic
    queues add none.
    """

    __slots__ = ()

    def write(self, tag: int, batch: list[QueuedMessage]) -> None:
        super().write(tag, [_with_count(queued) if queued.return_count else queued for queued in batch])


def _with_count(queued: QueuedMessage) -> QueuedMessage:
    """As it is shown to one consumer; what is in the queue stays as its producer sent it."""
    shown = QueuedMessage(counted(queued.message, queued.return_count), queued.settlement, queued.row)
    shown.count_as(queued.return_count)
    return shown


class ReplyConsumer(AmqpConsumer):
    """Consumes from the pseudo-queue of direct replies; has no queue that could wait for it."""

    __slots__ = ("is_dropping", "token")

    is_dropping: bool
    token: str

    def deliver(self, queued: QueuedMessage) -> bool:
        session = self.channel.session
        if session.unsent >= REPLIES_MAX:
            # Nobody can be made to wait for somebody else's client, and there is no queue for what it does not read.
            if not self.is_dropping:
                log.warning("%s: replies are dropped: the client does not read those that came", session.host.peer)
            self.is_dropping = True
            return False
        self.is_dropping = False
        return super().deliver(queued)


class Settlement(ChannelState):
    """What is delivered on one channel and not settled, by delivery tag; and the settling of it."""

    __slots__ = ()

    def take_delivery(self, tag: int, *, multiple: bool) -> list[tuple[int, QueuedMessage]]:
        """The deliveries that a tag names, no longer unsettled. Raises ProtocolFailure for an unknown tag.

        With ``multiple`` those up to the tag, and 0 names all (§1.8.3.13).
        """
        unsettled = self.unsettled
        if not multiple:
            queued = unsettled.pop(tag, None)
            if queued is None:
                raise ProtocolFailure(406, f"unknown delivery tag {tag}")
            return [(tag, queued)]
        if tag == 0:
            taken = list(unsettled.items())
            unsettled.clear()
            return taken
        if tag > self.delivery_tag or (tag not in unsettled and tag < self.settled_up_to):
            raise ProtocolFailure(406, f"unknown delivery tag {tag}")
        taken = []
        # Tags below were settled already; each number is looked at once in the life of the channel.
        for number in range(self.settled_up_to, tag + 1):
            queued = unsettled.pop(number, None)
            if queued is not None:
                taken.append((number, queued))
        if not taken:
            raise ProtocolFailure(406, f"unknown delivery tag {tag}")
        self.settled_up_to = tag + 1
        return taken

    def give_credit(self, deliveries: Iterable[tuple[int, QueuedMessage]]) -> None:
        """The consumers that these were delivered to may have as many more."""
        consumers: set[AmqpConsumer] = set()
        for _, queued in deliveries:
            consumer: AmqpConsumer | None = queued.holder  # type: ignore[assignment]
            if consumer is not None:
                consumer.credit += 1
                self.credit += 1
                consumers.add(consumer)
        if self.global_prefetch:
            self._share(consumers)
            return
        for consumer in consumers:
            if not consumer.waiting and consumer.has_room():
                consumer.queue.offer(consumer)

    def take_credit(self, deliveries: Iterable[tuple[int, QueuedMessage]]) -> None:
        """These are in their consumers' hands again."""
        for _, queued in deliveries:
            if queued.holder is not None:
                queued.holder.credit -= 1  # type: ignore[attr-defined]
                self.credit -= 1

    def offer_consumers(self) -> None:
        """Room may have come back for all consumers of the channel."""
        for consumer in self.consumers.values():
            if consumer.waiting or isinstance(consumer, ReplyConsumer) or consumer in self.line:
                continue
            if consumer.has_room():
                consumer.queue.offer(consumer)
            else:
                consumer.passed_over()

    def _share(self, consumers: Iterable[Consumer]) -> None:
        """These have settled something under the limit of the channel: those who have waited for room come first."""
        for consumer in consumers:
            # Only its own consumers hold what the channel settles.
            if not consumer.waiting and consumer.credit > 0:  # type: ignore[attr-defined]
                self.line.join(consumer)  # type: ignore[arg-type]
        self.wake_line()

    def wake_line(self) -> None:
        """Call as many of those in line as the channel has room for: one message is kept for each.

        Some may find that there is nothing for them after all: the session has the next called when the turn ends.
        """
        called = self.called
        while self.credit > len(called) and (consumer := self.line.next()) is not None:
            if consumer.has_room():
                consumer.queue.offer(consumer)
                if consumer.queue.ready_count:
                    called[consumer] = None
        if called:
            self.session.note_sharing(self)

    def ack(self, tag: int, multiple: bool) -> None:
        """basic.ack."""
        if not multiple and self.transaction is None:
            # The plain case, which is most of all acknowledgements.
            queued = self.unsettled.pop(tag, None)
            if queued is None:
                raise ProtocolFailure(406, f"unknown delivery tag {tag}")
            queued.settlement.accept(queued)
            consumer: AmqpConsumer | None = queued.holder  # type: ignore[assignment]
            if consumer is not None:
                consumer.credit += 1
                self.credit += 1
                if self.global_prefetch:
                    self._share((consumer,))
                elif not consumer.waiting and consumer.has_room():
                    consumer.queue.offer(consumer)
            return
        taken = self.take_delivery(tag, multiple=multiple)
        if self.transaction is not None:
            self.transaction.settle("ack", taken)
            return
        self.accept_all(taken)

    def accept_all(self, taken: list[tuple[int, QueuedMessage]]) -> None:
        """Settle as done with."""
        for _, queued in taken:
            queued.settlement.accept(queued)
        self.give_credit(taken)

    def refuse(self, tag: int, *, multiple: bool, requeue: bool, failed: bool) -> None:
        """basic.nack and basic.reject, which in RabbitMQ 4.3 alone says that the message has failed."""
        taken = self.take_delivery(tag, multiple=multiple)
        if self.transaction is not None:
            self.transaction.settle(("release" if failed else "return") if requeue else "reject", taken)
        elif requeue:
            self.release_all(taken, failed=failed)
        else:
            self.reject_all(taken)

    def release_all(self, taken: list[tuple[int, QueuedMessage]], *, failed: bool) -> None:
        """Give back to the queues, each message to its old place."""
        # Room first: the release makes the queues hand out again, to this consumer as to any other.
        self.give_credit(taken)
        by_queue: dict[Settler, list[QueuedMessage]] = {}
        for _, queued in taken:
            by_queue.setdefault(queued.settlement, []).append(queued)
        for queue, held in by_queue.items():
            queue.release(held, failed=failed)

    def reject_all(self, taken: list[tuple[int, QueuedMessage]]) -> None:
        """Settle as unwanted: to the dead letters, or away."""
        for _, queued in taken:
            queued.settlement.reject(queued)
        self.give_credit(taken)

    def recover(self, *, requeue: bool) -> None:
        """basic.recover: everything unsettled goes back (§1.8.3.16)."""
        if not requeue:
            raise ProtocolFailure(540, "requeue=false")
        taken = list(self.unsettled.items())
        self.unsettled.clear()
        self.release_all(taken, failed=False)
