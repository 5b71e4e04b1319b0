"""A channel: what a client says on it, one method at a time (AMQP 0-9-1 §1.5 to §1.9)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from batonmq.broker.model.settings import read_priority
from batonmq.broker.routing.direct_replies import REPLY_TO
from batonmq.errors import PreconditionFailed
from batonmq.protocols.amqp091 import methods, topology
from batonmq.protocols.amqp091.channel_state import UNLIMITED
from batonmq.protocols.amqp091.consuming import AmqpConsumer, CountingConsumer, ReplyConsumer
from batonmq.protocols.amqp091.encoder import content_frames
from batonmq.protocols.amqp091.failures import ProtocolFailure, reply_text
from batonmq.protocols.amqp091.publishing import Publishing
from batonmq.protocols.amqp091.sharing import Line
from batonmq.protocols.amqp091.transactions import Transaction

if TYPE_CHECKING:
    from collections.abc import Callable

    from batonmq.broker import Queue


class Channel(Publishing):
    """See the module."""

    __slots__ = ()

    def handle(self, method: methods.Method) -> None:
        """Do what a method asks. Raises ProtocolFailure, BrokerError."""
        handler = HANDLERS.get(type(method))
        if handler is None:
            raise ProtocolFailure(503, f"unexpected method in this state: {type(method).__name__}")
        broker = self.session.broker
        if broker.is_touched and type(method) is not methods.BasicNack:
            broker.dispatch_touched()
        store = broker.store
        changes = store.changes
        reply = handler(self, method)
        if reply is None:
            return
        if store.changes != changes:
            # What a reply tells of is durable: it waits for the disk.
            self.session.gate.wait_for_commit(lambda: self.send(reply), self._not_kept(method))
        else:
            self.send(reply)

    def _not_kept(self, method: methods.Method) -> Callable[[str], None]:
        # The channel may be closed by then, and have none any more.
        transaction = self.transaction

        def tell(detail: str) -> None:
            if transaction is not None:
                transaction.failed()
            if self.session.channels.get(self.number) is self and not self.is_closing:
                failure = ProtocolFailure(506, f"it could not be kept: {detail}")
                self.fail(failure, method.INDEX >> 16, method.INDEX & 0xFFFF)
            else:
                # Nobody is left to settle them.
                taken = list(self.unsettled.items())
                self.unsettled.clear()
                self.release_all(taken, failed=True)

        return tell

    # ------------------------------------------------------------------ closing

    def fail(self, failure: ProtocolFailure, class_id: int, method_id: int) -> None:
        """An error of the client's: confirm what came before it, then close the channel with its code."""
        if self.is_closing:
            return
        if self.unconfirmed:
            self.failure = (failure, class_id, method_id)
            return
        self.failure = None
        self.send_confirms()
        self.is_closing = True
        self.release()
        text = reply_text(failure.code, failure.detail)
        self.session.journal.failed(text, self.number)
        self.send(
            methods.ChannelClose(
                reply_code=failure.code,
                reply_text=text,
                class_id=class_id,
                method_id=method_id,
            )
        )

    def release(self) -> None:
        """Give back everything: consumers, deliveries, the transaction. No confirm follows."""
        self.confirming = False
        self.unconfirmed.clear()
        self.confirmable = self.confirmed = 0
        if self.transaction is not None:
            self.transaction.rollback()
            self.transaction = None
        for consumer in list(self.consumers.values()):
            self._stop(consumer)
        self.failure = None
        self.called.clear()
        self.line = Line()
        taken = list(self.unsettled.items())
        self.unsettled.clear()
        self.release_all(taken, failed=True)

    # ------------------------------------------------------------------ channel.*

    def on_flow(self, m: methods.ChannelFlow) -> methods.Method | None:
        if not m.active:
            # As RabbitMQ answers since 2009, and as its clients expect: prefetch does what this was for.
            raise ProtocolFailure(540, "active=false")
        return methods.ChannelFlowOk(active=True)

    # ------------------------------------------------------------------ basic.*

    def on_qos(self, m: methods.BasicQos) -> methods.Method | None:
        if m.prefetch_size:
            raise ProtocolFailure(540, f"prefetch_size!=0 ({m.prefetch_size})")
        if m.global_:
            held = sum(1 for queued in self.unsettled.values() if queued.holder is not None)
            self.global_prefetch = m.prefetch_count
            self.credit = (m.prefetch_count or UNLIMITED) - held
            self.wake_line()
        else:
            self.prefetch = m.prefetch_count
            if self.session.counts_on_later_prefetch:
                for consumer in self.consumers.values():
                    consumer.set_prefetch(m.prefetch_count)
                self.offer_consumers()
        return methods.BasicQosOk()

    def on_consume(self, m: methods.BasicConsume) -> methods.Method | None:
        session = self.session
        tag = m.consumer_tag or session.new_consumer_tag()
        if tag in self.consumers:
            raise ProtocolFailure(530, f"attempt to reuse consumer tag '{tag}'")
        name = topology.named_queue(self, m.queue)
        if name == REPLY_TO:
            self._consume_replies(m, tag)
            return None if m.no_wait else methods.BasicConsumeOk(consumer_tag=tag)
        if session.vhost.replies.find(name) is not None:
            is_own = self.reply_consumer is not None and self.reply_consumer.token == name
            fault = "multiple consumers are unsupported for" if is_own else "only creator channel may consume from"
            raise PreconditionFailed(f"{fault} queue '{name}' in vhost '{session.vhost.name}'")
        queue = session.operations.require_readable(name)
        priority = read_priority(m.arguments, f"queue '{name}' in vhost '{session.vhost.name}'")
        kind = CountingConsumer if m.arguments.get("x-delivery-count") is True else AmqpConsumer
        consumer = kind(
            self,
            queue,
            tag,
            self.prefetch,
            no_ack=m.no_ack,
            exclusive=m.exclusive,
            priority=priority,
            arguments=m.arguments,
        )
        session.operations.subscribe(queue, consumer)
        self.consumers[tag] = consumer
        return None if m.no_wait else methods.BasicConsumeOk(consumer_tag=tag)

    def _consume_replies(self, m: methods.BasicConsume, tag: str) -> None:
        if not m.no_ack:
            raise PreconditionFailed("reply consumer cannot acknowledge")
        if self.reply_consumer is not None:
            raise PreconditionFailed("reply consumer already set")
        session = self.session
        # A reply consumer has no queue, and nobody looks for it.
        no_queue: Queue = None  # type: ignore[assignment]
        consumer = ReplyConsumer(self, no_queue, tag, 0, no_ack=True, exclusive=False, priority=0, arguments={})
        consumer.is_dropping = False
        consumer.token = session.vhost.replies.open(consumer)
        session.vhost.version += 1
        self.consumers[tag] = self.reply_consumer = consumer

    def on_cancel(self, m: methods.BasicCancel) -> methods.Method | None:
        consumer = self.consumers.get(m.consumer_tag)
        if consumer is not None:
            self._stop(consumer)
        return None if m.no_wait else methods.BasicCancelOk(consumer_tag=m.consumer_tag)

    def _stop(self, consumer: AmqpConsumer) -> None:
        self.consumers.pop(consumer.tag, None)
        self.line.leave(consumer)
        # Acknowledgements of what it was given must not put it back in line.
        consumer.credit = -UNLIMITED
        if isinstance(consumer, ReplyConsumer):
            self.reply_consumer = None
            self.session.vhost.replies.close(consumer.token)
            self.session.vhost.version += 1
        else:
            consumer.queue.unsubscribe(consumer)

    def on_get(self, m: methods.BasicGet) -> methods.Method | None:
        name = topology.named_queue(self, m.queue)
        vhost = self.session.vhost
        if vhost.replies.find(name) is not None:
            raise ProtocolFailure(540, f"basic.get not supported by volatile queue '{name}' in vhost '{vhost.name}'")
        queue = self.session.operations.require_readable(name)
        queued = queue.get()
        if queued is None:
            if queue.is_reading:
                self.session.gate.wait_for_read(lambda: self.session.receive_method(self.number, m))
                return None
            return methods.BasicGetEmpty()
        self.delivery_tag = tag = self.delivery_tag + 1
        if queue.must_hold(queued, no_ack=m.no_ack):
            self.session.gate.hold(self.session.broker.store.batch)
        if m.no_ack:
            queue.accept(queued)
        else:
            self.unsettled[tag] = queued
        message = queued.message
        self.send(
            methods.BasicGetOk(
                delivery_tag=tag,
                redelivered=queued.return_count > 0,
                exchange=message.exchange,
                routing_key=message.routing_key,
                message_count=queue.ready_count,
            )
        )
        self.session.send(content_frames(self.number, message, self.session.frame_max))
        return None

    def on_ack(self, m: methods.BasicAck) -> methods.Method | None:
        self.ack(m.delivery_tag, m.multiple)
        return None

    def on_nack(self, m: methods.BasicNack) -> methods.Method | None:
        self.refuse(m.delivery_tag, multiple=m.multiple, requeue=m.requeue, failed=False)
        return None

    def on_reject(self, m: methods.BasicReject) -> methods.Method | None:
        self.refuse(m.delivery_tag, multiple=False, requeue=m.requeue, failed=True)
        return None

    def on_recover(self, m: methods.BasicRecover) -> methods.Method | None:
        self.recover(requeue=m.requeue)
        return methods.BasicRecoverOk()

    def on_recover_async(self, m: methods.BasicRecoverAsync) -> methods.Method | None:
        self.recover(requeue=m.requeue)
        return None

    # ------------------------------------------------------------------ confirm.* and tx.*

    def on_confirm_select(self, m: methods.ConfirmSelect) -> methods.Method | None:
        if self.transaction is not None:
            raise PreconditionFailed("cannot switch from tx to confirm mode")
        self.confirming = True
        return None if m.no_wait else methods.ConfirmSelectOk()

    def on_tx_select(self, m: methods.TxSelect) -> methods.Method | None:
        if self.confirming:
            raise PreconditionFailed("cannot switch from confirm to tx mode")
        if self.transaction is None:
            self.transaction = Transaction(self)
            self.publishes_plainly = False
        return methods.TxSelectOk()

    def on_tx_commit(self, m: methods.TxCommit) -> methods.Method | None:
        transaction = self._in_transaction()
        transaction.commit()

        def done() -> None:
            transaction.committed()
            self.send(methods.TxCommitOk())

        if self.session.broker.store.has_work():
            self.session.gate.wait_for_commit(done, self._not_kept(m))
        else:
            done()
        return None

    def on_tx_rollback(self, m: methods.TxRollback) -> methods.Method | None:
        self._in_transaction().rollback()
        return methods.TxRollbackOk()

    def _in_transaction(self) -> Transaction:
        if self.transaction is None:
            raise PreconditionFailed("channel is not transactional")
        return self.transaction


# Each handler takes the method that it stands beside.
HANDLERS: dict[type[methods.Method], Callable[[Channel, Any], methods.Method | None]] = {
    methods.ChannelFlow: Channel.on_flow,
    methods.ExchangeDeclare: topology.exchange_declare,
    methods.ExchangeDelete: topology.exchange_delete,
    methods.ExchangeBind: topology.exchange_bind,
    methods.ExchangeUnbind: topology.exchange_unbind,
    methods.QueueDeclare: topology.queue_declare,
    methods.QueueBind: topology.queue_bind,
    methods.QueueUnbind: topology.queue_unbind,
    methods.QueuePurge: topology.queue_purge,
    methods.QueueDelete: topology.queue_delete,
    methods.BasicQos: Channel.on_qos,
    methods.BasicConsume: Channel.on_consume,
    methods.BasicCancel: Channel.on_cancel,
    methods.BasicGet: Channel.on_get,
    methods.BasicAck: Channel.on_ack,
    methods.BasicNack: Channel.on_nack,
    methods.BasicReject: Channel.on_reject,
    methods.BasicRecover: Channel.on_recover,
    methods.BasicRecoverAsync: Channel.on_recover_async,
    methods.ConfirmSelect: Channel.on_confirm_select,
    methods.TxSelect: Channel.on_tx_select,
    methods.TxCommit: Channel.on_tx_commit,
    methods.TxRollback: Channel.on_tx_rollback,
}
