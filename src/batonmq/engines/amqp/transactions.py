"""Transactions: messages are sent and deliveries accepted in one tx.commit (AMQP 0-9-1, 1.9.2.3).

A delivery belongs to its channel. BatonMQ lets a transaction on another channel accept it (``deliveries.accept``), so
each transaction has its own channel, and a failure costs no receiver anything. With other brokers the receiver's
channel becomes transactional, and stays so.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from pika.channel import Channel

from batonmq.engines.amqp.content_headers import properties_to, too_large
from batonmq.engines.amqp.link import Link
from batonmq.engines.amqp.management_requests import request_acceptance
from batonmq.engines.amqp.tx_channel import Acceptor, Outgoing, TxChannel
from batonmq.engines.futures import Future
from batonmq.engines.messages import Message
from batonmq.engines.steps import Steps, run_steps, wait_for
from batonmq.engines.values import Incoming
from batonmq.errors import UnsupportedFeature

__all__ = ["Transactor"]

Sends = Sequence[tuple[str, Message]]
Accepts = Sequence[tuple[Acceptor, Incoming]]


class Transactor:
    """Runs transactions, on channels that it keeps for the next ones."""

    def __init__(self, link: Link, look_for: Callable[[str], Future[None]]) -> None:
        """``look_for`` fails with NotFound for a missing queue, which would otherwise show only at the end."""
        self._link = link
        self._look_for = look_for
        # Idle channels. In the connection's thread.
        self._idle: list[TxChannel] = []

    def transact(self, sends: Sends, accepts: Accepts) -> Future[None]:
        """All or nothing. LeaseLost, NotFound, ResourceError, ConnectionLost; raises UnsupportedFeature."""
        if not self._link.product.is_ours and len({receiver for receiver, _ in accepts}) > 1:
            raise UnsupportedFeature(
                "amqp: a transaction with deliveries of several receivers: this broker takes those of one receiver only"
            )
        future: Future[None] = Future()

        def begin() -> None:
            steps = run_steps(self._transact(sends, accepts))

            def done() -> None:
                if steps.error is not None:
                    future.fail(steps.error)
                else:
                    future.resolve(None)

            steps.when_done(done, owed=future)

        looked = run_steps(self._look(sends))

        def looked_for() -> None:
            if looked.error is not None:
                future.fail(looked.error)
            else:
                self._link.when_open(begin, future)

        looked.when_done(looked_for, owed=future)
        return future

    def _look(self, sends: Sends) -> Steps[None]:
        """Check that all queues exist. Raises NotFound."""
        for looked in [self._look_for(queue) for queue in dict.fromkeys(queue for queue, _ in sends)]:
            yield from wait_for(looked)

    def _transact(self, sends: Sends, accepts: Accepts) -> Steps[None]:
        """Run the transaction and wait for its commit, in the connection's thread."""
        product = self._link.product
        deliveries = [receiver.delivery(incoming) for receiver, incoming in accepts]
        is_own = not deliveries or product.is_ours
        if is_own:
            tx = self._unused() or (yield from wait_for(self._open()))
        else:
            tx = yield from wait_for(accepts[0][0].transactional(deliveries[0][0], self._link.reason).ready)
        outgoing: list[Outgoing] = [
            (queue, message.body, properties_to(message, says_priority=product.is_rabbitmq(4)))
            for queue, message in sends
        ]
        if error := too_large(tx.channel, [wired for *_, wired in outgoing]):
            self._keep(tx, is_own=is_own)
            raise error
        yield from wait_for(tx.commit(outgoing, partial(_accept, deliveries, is_ours=product.is_ours)))
        for receiver, incoming in accepts:
            receiver.accepted(incoming)
        self._keep(tx, is_own=is_own)

    def _open(self) -> Future[TxChannel]:
        future: Future[TxChannel] = Future()

        def opened(channel: Channel) -> None:
            tx = TxChannel(channel, self._link.reason)
            tx.ready.when_done(lambda: future.resolve(tx), owed=future)

        self._link.channel(opened, future.fail)
        return future

    def _unused(self) -> TxChannel | None:
        # Channels of a lost connection are closed.
        self._idle = [one for one in self._idle if one.channel.is_open]
        return self._idle.pop() if self._idle else None

    def _keep(self, tx: TxChannel, *, is_own: bool) -> None:
        if is_own and tx.channel.is_open:
            self._idle.append(tx)


def _accept(deliveries: Sequence[tuple[Channel, int]], channel: Channel, *, is_ours: bool) -> None:
    for came_on, tag in deliveries:
        if is_ours:
            request_acceptance(channel, came_on, tag)
        else:
            channel.basic_ack(tag)
