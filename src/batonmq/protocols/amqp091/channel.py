"""A channel: what a client says on it, one method at a time (AMQP 0-9-1 §1.5 to §1.9), and how it ends."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from batonmq.broker.model.channels import ChannelStatus
from batonmq.errors import BrokerError
from batonmq.protocols.amqp091 import methods
from batonmq.protocols.amqp091.confirms import Confirms
from batonmq.protocols.amqp091.consumers import Consumers
from batonmq.protocols.amqp091.credit import ChannelCredit
from batonmq.protocols.amqp091.deliveries import Deliveries
from batonmq.protocols.amqp091.encoder import method_frame
from batonmq.protocols.amqp091.failures import ProtocolFailure, as_failure, reply_text
from batonmq.protocols.amqp091.publisher import Publisher
from batonmq.protocols.amqp091.settling import Settling
from batonmq.protocols.amqp091.topology import Topology
from batonmq.protocols.amqp091.transaction import Transaction
from batonmq.protocols.amqp091.transactions import Transactions

if TYPE_CHECKING:
    from collections.abc import Callable

    from batonmq.errors import StoreError
    from batonmq.protocols.amqp091.open_connection import OpenConnection


class Channel:
    """A channel, made of parts that know as little as possible of each other. The channel itself handles its end."""

    __slots__ = (
        "_confirms",
        "_connection",
        "_counts",
        "_credit",
        "_failure",
        "_is_released",
        "consumers",
        "deliveries",
        "is_closing",
        "is_open",
        "number",
        "publisher",
        "settling",
        "topology",
        "transactions",
    )

    def __init__(self, number: int, connection: OpenConnection) -> None:
        link = connection.link
        self.number = number
        self._connection = connection
        self.is_open = True
        """Does the channel accept the client's methods?"""
        self.is_closing = False
        """Have we sent channel.close? Then all but close and close-ok is ignored (§1.5.2.5)."""
        self._is_released = False
        # An error that waits until the publishes before it are confirmed: its code, text and method.
        self._failure: tuple[ProtocolFailure, int, int] | None = None
        self._counts = counts = link.counts.open()
        self._credit = credit = ChannelCredit(link.turn_end)
        transaction = Transaction(connection.transaction_quota)
        self.deliveries = Deliveries(number, link.output, counts, connection.terms.frame_max)
        self.settling: Settling = Settling(self.deliveries, credit, transaction, counts)
        connection.channel_opened(number, self.settling)
        self.topology: Topology = Topology(link.broker, connection.operations)
        self.consumers: Consumers = Consumers(number, connection, self.deliveries, credit, self.topology)
        self._confirms = Confirms(number, link.broker, link.barrier, link.output, link.turn_end, counts)
        self.publisher = Publisher(number, connection, self._confirms, transaction, self.consumers, counts)
        self.transactions: Transactions = Transactions(
            link.broker, link.barrier, transaction, self._confirms, self.publisher
        )

    def handle(self, method: methods.Method) -> None:
        """Do what a method asks. Raises ProtocolFailure, BrokerError."""
        find_handler = HANDLERS.get(type(method))
        if find_handler is None:
            raise ProtocolFailure(503, f"unexpected method in this state: {type(method).__name__}")
        link = self._connection.link
        if link.broker.is_touched and type(method) is not methods.BasicNack:
            link.broker.dispatch_touched()
        before = link.barrier.changes
        reply = find_handler(self)(method)
        if reply is not None:
            # A reply waits until the change that it reports is on the disk.
            link.barrier.wait_for_change(before, partial(self._send, reply), self._not_kept(method))

    def _send(self, method: methods.Method) -> None:
        self._connection.link.output.send(method_frame(self.number, method))

    def _not_kept(self, method: methods.Method) -> Callable[[str], None]:
        def tell(detail: str) -> None:
            if self._is_released:
                # These could not be settled any more.
                self.settling.release_all()
                self._connection.link.counts.close(self._counts)
            else:
                failure = ProtocolFailure(506, f"it could not be kept: {detail}")
                self.fail(failure, method.INDEX >> 16, method.INDEX & 0xFFFF)

        return tell

    # ------------------------------------------------------------------ methods that are the channel's own

    def flow(self, m: methods.ChannelFlow) -> methods.Method | None:
        """channel.flow."""
        if not m.active:
            # RabbitMQ's answer since 2009, which its clients expect: prefetch replaces channel.flow.
            raise ProtocolFailure(540, "active=false")
        return methods.ChannelFlowOk(active=True)

    def get(self, m: methods.BasicGet) -> methods.Method | None:
        """basic.get."""
        return self.consumers.get(m, partial(self._handle_again, m))

    def _handle_again(self, method: methods.Method) -> None:
        """Handle a method that had to wait for the store."""
        if self.is_open:
            try:
                self.handle(method)
            except BrokerError as error:
                self.fail(as_failure(error), method.INDEX >> 16, method.INDEX & 0xFFFF)

    def commit(self, m: methods.TxCommit) -> methods.Method | None:
        """tx.commit."""
        self.transactions.commit(self._committed, self._not_kept(m))
        return None

    def _committed(self) -> None:
        self._send(methods.TxCommitOk())

    # ------------------------------------------------------------------ room

    def offer(self) -> None:
        """Offer all consumers of the channel to their queues again, if they have room."""
        self.consumers.offer()

    def withdraw(self) -> None:
        """Withdraw all consumers of the channel from their queues: there is no room."""
        self.consumers.withdraw()

    # ------------------------------------------------------------------ what listings show

    def status(self) -> ChannelStatus:
        """The state of the channel."""
        transactions = self.transactions
        return ChannelStatus(
            number=self.number,
            counts=self._counts,
            prefetch=self.consumers.prefetch,
            shared_prefetch=self._credit.prefetch,
            consumers=self.consumers.count,
            unacknowledged=self.deliveries.unsettled,
            unconfirmed=self._confirms.waiting,
            uncommitted=transactions.published,
            uncommitted_acks=transactions.settled,
            confirms=self._confirms.is_on,
            is_transactional=transactions.are_selected,
            is_closing=self.is_closing,
        )

    # ------------------------------------------------------------------ the store

    def batch_committed(self, batch: int) -> None:
        """Everything up to this batch is on the disk."""
        confirms = self._confirms
        if confirms.unconfirmed:
            confirms.batch_committed(batch)
        if confirms.unconfirmed:
            self._connection.link.barrier.await_commit(patient=True)
        elif self._failure is not None:
            self.fail(*self._failure)

    def batch_failed(self, batch: int, error: StoreError) -> None:
        """Tell the publisher that the messages of these batches are not kept."""
        if self._confirms.batch_failed(batch):
            self.fail(ProtocolFailure(506, f"messages could not be kept: {error.reason}"), 60, 40)
        if self._confirms.unconfirmed:
            self._connection.link.barrier.await_commit(patient=True)
        elif self._failure is not None:
            self.fail(*self._failure)

    # ------------------------------------------------------------------ the end

    def fail(self, failure: ProtocolFailure, class_id: int, method_id: int) -> None:
        """Close the channel for an error of the client's, after all publishes before it are confirmed."""
        if self.is_closing:
            return
        self.is_open = False
        if self._confirms.unconfirmed:
            self._failure = (failure, class_id, method_id)
            return
        self.send_confirms()
        self.is_closing = True
        self.release()
        text = reply_text(failure.code, failure.detail)
        self._connection.link.log.failed(text, self.number)
        self._send(
            methods.ChannelClose(
                reply_code=failure.code,
                reply_text=text,
                class_id=class_id,
                method_id=method_id,
            )
        )

    def send_confirms(self) -> None:
        """Confirm what is safe now, without waiting for the end of the turn."""
        self._confirms.turn_ended()

    def release(self) -> None:
        """Give back everything: consumers, deliveries, the transaction. No confirm follows."""
        self.is_open = False
        self._is_released = True
        self._failure = None
        self._confirms.clear()
        self.transactions.forget()
        self.consumers.stop()
        self.settling.end()
        self._connection.channel_closed(self.number)
        self._connection.link.counts.close(self._counts)


# The handler of each method: it does what the method asks, and answers with its reply.
HANDLERS: dict[type[methods.Method], Callable[[Channel], Callable[[Any], methods.Method | None]]] = {
    methods.ChannelFlow: lambda channel: channel.flow,
    methods.ExchangeDeclare: lambda channel: channel.topology.declare_exchange,
    methods.ExchangeDelete: lambda channel: channel.topology.delete_exchange,
    methods.ExchangeBind: lambda channel: channel.topology.bind_exchange,
    methods.ExchangeUnbind: lambda channel: channel.topology.unbind_exchange,
    methods.QueueDeclare: lambda channel: channel.topology.declare_queue,
    methods.QueueBind: lambda channel: channel.topology.bind_queue,
    methods.QueueUnbind: lambda channel: channel.topology.unbind_queue,
    methods.QueuePurge: lambda channel: channel.topology.purge_queue,
    methods.QueueDelete: lambda channel: channel.topology.delete_queue,
    methods.BasicQos: lambda channel: channel.consumers.qos,
    methods.BasicConsume: lambda channel: channel.consumers.consume,
    methods.BasicCancel: lambda channel: channel.consumers.cancel,
    methods.BasicGet: lambda channel: channel.get,
    methods.BasicAck: lambda channel: channel.settling.ack,
    methods.BasicNack: lambda channel: channel.settling.nack,
    methods.BasicReject: lambda channel: channel.settling.reject,
    methods.BasicRecover: lambda channel: channel.settling.recover,
    methods.BasicRecoverAsync: lambda channel: channel.settling.recover_async,
    methods.ConfirmSelect: lambda channel: channel.transactions.confirm_select,
    methods.TxSelect: lambda channel: channel.transactions.select,
    methods.TxCommit: lambda channel: channel.commit,
    methods.TxRollback: lambda channel: channel.transactions.rollback,
}
