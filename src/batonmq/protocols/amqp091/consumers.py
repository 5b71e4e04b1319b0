"""basic.consume, basic.cancel, basic.get and basic.qos on one channel (AMQP 0-9-1 §1.8.3)."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from batonmq.broker.model.declared import read_priority
from batonmq.broker.routing.direct_replies import REPLY_TO
from batonmq.errors import PreconditionFailed
from batonmq.protocols.amqp091 import methods
from batonmq.protocols.amqp091.consumer import AmqpConsumer, Outlet, ReplyConsumer
from batonmq.protocols.amqp091.encoder import content_frames, method_frame
from batonmq.protocols.amqp091.failures import ProtocolFailure

if TYPE_CHECKING:
    from collections.abc import Callable

    from batonmq.protocols.amqp091.credit import ChannelCredit
    from batonmq.protocols.amqp091.deliveries import Deliveries
    from batonmq.protocols.amqp091.open_connection import OpenConnection
    from batonmq.protocols.amqp091.topology import Topology


class Consumers:
    """The consumers of one channel, by tag, and its basic.get."""

    __slots__ = (
        "_by_tag",
        "_connection",
        "_credit",
        "_deliveries",
        "_number",
        "_outlet",
        "_prefetch",
        "_topology",
        "replies",
    )

    def __init__(
        self,
        number: int,
        connection: OpenConnection,
        deliveries: Deliveries,
        credit: ChannelCredit,
        topology: Topology,
    ) -> None:
        """``number`` is the channel's."""
        link = connection.link
        self._number = number
        self._connection = connection
        self._deliveries = deliveries
        self._credit = credit
        self._topology = topology
        self._outlet = Outlet(number, link, deliveries, credit)
        self._by_tag: dict[str, AmqpConsumer] = {}
        # The prefetch of new consumers; 0: no limit.
        self._prefetch = 0
        self.replies: ReplyConsumer | None = None
        """The consumer of direct replies."""

    # ------------------------------------------------------------------ what listings show

    @property
    def count(self) -> int:
        """The number of consumers on queues, without that of direct replies."""
        return len(self._by_tag) - (self.replies is not None)

    @property
    def prefetch(self) -> int:
        """The prefetch of new consumers; 0: no limit."""
        return self._prefetch

    # ------------------------------------------------------------------ what the client says

    def qos(self, m: methods.BasicQos) -> methods.Method | None:
        """basic.qos. Raises ProtocolFailure for a limit in octets."""
        if m.prefetch_size:
            raise ProtocolFailure(540, f"prefetch_size!=0 ({m.prefetch_size})")
        if m.global_:
            self._credit.limit(m.prefetch_count, self._deliveries.held_by_consumers())
        else:
            self._prefetch = m.prefetch_count
            if self._connection.client.counts_on_later_prefetch:
                for consumer in self._by_tag.values():
                    consumer.set_prefetch(m.prefetch_count)
                self.offer()
        return methods.BasicQosOk()

    def consume(self, m: methods.BasicConsume) -> methods.Method | None:
        """basic.consume. Raises ProtocolFailure, BrokerError."""
        tag = m.consumer_tag or "amq.ctag-" + secrets.token_urlsafe(16)
        if tag in self._by_tag:
            raise ProtocolFailure(530, f"attempt to reuse consumer tag '{tag}'")
        name = self._topology.named(m.queue)
        if name == REPLY_TO:
            self._consume_replies(m, tag)
        else:
            self._consume_queue(m, tag, name)
        return None if m.no_wait else methods.BasicConsumeOk(consumer_tag=tag)

    def _consume_queue(self, m: methods.BasicConsume, tag: str, name: str) -> None:
        operations = self._connection.operations
        vhost = operations.vhost
        if vhost.replies.find(name) is not None:
            is_own = self.replies is not None and self.replies.token == name
            fault = "multiple consumers are unsupported for" if is_own else "only creator channel may consume from"
            raise PreconditionFailed(f"{fault} queue '{name}' in vhost '{vhost.name}'")
        queue = operations.require_readable(name)
        priority = read_priority(m.arguments, f"queue '{name}' in vhost '{vhost.name}'")
        consumer = AmqpConsumer(
            self._outlet,
            queue,
            tag,
            self._prefetch,
            self._cancelled,
            no_ack=m.no_ack,
            exclusive=m.exclusive,
            priority=priority,
            arguments=m.arguments,
            shows_count=m.arguments.get("x-delivery-count") is True,
        )
        operations.subscribe(queue, consumer)
        self._by_tag[tag] = consumer

    def _consume_replies(self, m: methods.BasicConsume, tag: str) -> None:
        if not m.no_ack:
            raise PreconditionFailed("reply consumer cannot acknowledge")
        if self.replies is not None:
            raise PreconditionFailed("reply consumer already set")
        desk = self._connection.operations.vhost.replies
        self._by_tag[tag] = self.replies = ReplyConsumer(self._outlet, desk, tag, self._cancelled)

    def cancel(self, m: methods.BasicCancel) -> methods.Method | None:
        """basic.cancel; a missing consumer counts as cancelled."""
        consumer = self._by_tag.get(m.consumer_tag)
        if consumer is not None:
            self._stop(consumer)
        return None if m.no_wait else methods.BasicCancelOk(consumer_tag=m.consumer_tag)

    def get(self, m: methods.BasicGet, again: Callable[[], None]) -> methods.Method | None:
        """basic.get; ``again`` is called once the store was read further, if necessary. Raises BrokerError."""
        connection = self._connection
        link = connection.link
        name = self._topology.named(m.queue)
        vhost = connection.operations.vhost
        if vhost.replies.find(name) is not None:
            raise ProtocolFailure(540, f"basic.get not supported by volatile queue '{name}' in vhost '{vhost.name}'")
        queue = connection.operations.require_readable(name)
        queued = queue.get(no_ack=m.no_ack)
        if queued is None:
            if queue.is_reading:
                link.barrier.wait_for_read(again)
                return None
            self._deliveries.found_none()
            return methods.BasicGetEmpty()
        tag = self._deliveries.number(queued, no_ack=m.no_ack)
        if queue.must_hold(queued, no_ack=m.no_ack):
            link.barrier.hold(link.broker.store.batch)
        if m.no_ack:
            queue.accept(queued)
        message = queued.message
        answer = methods.BasicGetOk(
            delivery_tag=tag,
            redelivered=queued.returns > 0,
            exchange=message.exchange,
            routing_key=message.routing_key,
            message_count=queue.ready_count,
        )
        link.output.send(method_frame(self._number, answer))
        link.output.send(content_frames(self._number, message, connection.terms.frame_max))
        return None

    # ------------------------------------------------------------------ what else happens

    def offer(self) -> None:
        """Offer all consumers to their queues again, if they have room."""
        for consumer in self._by_tag.values():
            if consumer.waiting or self._credit.has_in_line(consumer):
                continue
            consumer.offer()
            if not consumer.waiting:
                consumer.passed_over()

    def withdraw(self) -> None:
        """Withdraw all consumers from their queues: there is no room."""
        for consumer in self._by_tag.values():
            if consumer.waiting:
                consumer.queue.withdraw(consumer)

    def stop(self) -> None:
        """The channel ends."""
        for consumer in list(self._by_tag.values()):
            self._stop(consumer)
        self._credit.clear()

    def _stop(self, consumer: AmqpConsumer) -> None:
        self._by_tag.pop(consumer.tag, None)
        consumer.stop()
        if consumer is self.replies:
            self.replies = None
        else:
            consumer.queue.unsubscribe(consumer)

    def _cancelled(self, consumer: AmqpConsumer) -> None:
        """Tell the client that a consumer's queue is deleted, or has cancelled the consumer."""
        self._by_tag.pop(consumer.tag, None)
        if self._connection.client.wants_cancel_notify:
            notice = methods.BasicCancel(consumer_tag=consumer.tag, no_wait=True)
            # After the answer to queue.delete: a client that deleted the queue itself expects that first.
            self._connection.link.output.send_behind(method_frame(self._number, notice))
