"""basic.ack, basic.nack, basic.reject and basic.recover on one channel (AMQP 0-9-1 §1.8.3.13 to §1.8.3.16)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batonmq.protocols.amqp091 import methods
from batonmq.protocols.amqp091.constants import ACK
from batonmq.protocols.amqp091.consumer import AmqpConsumer
from batonmq.protocols.amqp091.failures import ProtocolFailure
from batonmq.protocols.amqp091.transaction import ACCEPT, REJECT, RELEASE, RETURN, Settler
from batonmq.protocols.sessions import settling

if TYPE_CHECKING:
    from collections.abc import Iterable

    from batonmq.protocols.amqp091.credit import ChannelCredit
    from batonmq.protocols.amqp091.deliveries import Deliveries
    from batonmq.protocols.amqp091.parser import Event
    from batonmq.protocols.amqp091.transaction import Taken, Transaction
    from batonmq.protocols.sessions.counts import MessageCounts
    from batonmq.queued import QueuedMessage


class Settling(Settler):
    """Settles the deliveries of one channel: at once, or when its transaction is committed."""

    __slots__ = ("_counts", "_credit", "_deliveries", "_has_ended", "_transaction")

    def __init__(
        self, deliveries: Deliveries, credit: ChannelCredit, transaction: Transaction, counts: MessageCounts
    ) -> None:
        self._deliveries = deliveries
        self._credit = credit
        self._transaction = transaction
        self._counts = counts
        self._has_ended = False

    # ------------------------------------------------------------------ what the client says

    def take(self, events: list[Event], at: int) -> int:
        """Handle acknowledgements from ``at`` on: a run of single ones, or one.

        Returns where they end. Raises ProtocolFailure if the first names no delivery.
        """
        event = events[at]
        if event[0] != ACK:
            return at
        _, _, tag, multiple = event
        if self._transaction.is_selected:
            self._transaction.settle((self, ACCEPT, self._deliveries.take(tag, multiple=multiple)), 0)
            return at + 1
        if multiple:
            self._accept(self._deliveries.take_up_to(tag))
            return at + 1
        held = self._deliveries.take_run(events, at)
        self._accept(held)
        return at + len(held)

    def ack(self, m: methods.BasicAck) -> methods.Method | None:
        """basic.ack as a decoded method."""
        self._settle(ACCEPT, self._deliveries.take(m.delivery_tag, multiple=m.multiple))
        return None

    def nack(self, m: methods.BasicNack) -> methods.Method | None:
        """basic.nack, which returns messages that have not failed."""
        taken = self._deliveries.take(m.delivery_tag, multiple=m.multiple)
        self._settle(RETURN if m.requeue else REJECT, taken)
        return None

    def reject(self, m: methods.BasicReject) -> methods.Method | None:
        """basic.reject, the only one that marks a message as failed in RabbitMQ 4.3."""
        taken = self._deliveries.take(m.delivery_tag, multiple=False)
        self._settle(RELEASE if m.requeue else REJECT, taken)
        return None

    def recover(self, m: methods.BasicRecover) -> methods.Method | None:
        """basic.recover: everything unsettled goes back (§1.8.3.16)."""
        self._recover(requeue=m.requeue)
        return methods.BasicRecoverOk()

    def recover_async(self, m: methods.BasicRecoverAsync) -> methods.Method | None:
        """basic.recover-async: basic.recover without an answer."""
        self._recover(requeue=m.requeue)
        return None

    def _recover(self, *, requeue: bool) -> None:
        if not requeue:
            raise ProtocolFailure(540, "requeue=false")
        self.apply(RETURN, self._deliveries.take_all())

    def _settle(self, outcome: str, taken: Taken) -> None:
        if self._transaction.is_selected:
            self._transaction.settle((self, outcome, taken), 0)
        else:
            self.apply(outcome, taken)

    # ------------------------------------------------------------------ what is done

    def apply(self, outcome: str, taken: Taken) -> None:
        held = [queued for _, queued in taken]
        if outcome == ACCEPT:
            self._accept(held)
        elif outcome == REJECT:
            settling.reject(held)
            self._counts.add_rejected(len(held))
            self._give_credit(held)
        else:
            self._counts.add_requeued(len(held))
            # Make room first: the queues deliver again at once, to this consumer as well.
            self._give_credit(held)
            settling.requeue(held, failed=outcome == RELEASE)

    def _accept(self, held: list[QueuedMessage]) -> None:
        settling.accept(held)
        self._counts.add_accepted(len(held))
        self._give_credit(held)

    def release_all(self) -> None:
        """Give back all unsettled deliveries, as the channel ends."""
        self.apply(RELEASE, self._deliveries.take_all())

    def end(self) -> None:
        """The channel ends: all unsettled deliveries go back, and so does what other channels' transactions hold."""
        self._has_ended = True
        self.release_all()

    def put_back(self, taken: Taken) -> None:
        self._deliveries.put_back(taken)
        if self._has_ended:
            self.release_all()

    def take_held(self, tag: int) -> Taken:
        queued = self._deliveries.pop(tag)
        return [] if queued is None else [(tag, queued)]

    def undo(self, settled: Taken) -> None:
        settling.unsettle(queued for _, queued in settled)
        for consumer, count in _by_consumer(queued for _, queued in settled).items():
            consumer.unsettled(count)
            self._credit.give_back(-count)
        self.put_back(settled)

    def take_one(self, tag: int) -> QueuedMessage | None:
        """Take the unsettled delivery of that tag, for another part to settle; None: there is none."""
        queued = self._deliveries.pop(tag)
        if queued is not None:
            self._give_credit([queued])
        return queued

    def _give_credit(self, held: list[QueuedMessage]) -> None:
        """Give the consumers of these deliveries room for as many new ones."""
        credit = self._credit
        counts = _by_consumer(held)
        for consumer, count in counts.items():
            consumer.settled(count)
            credit.give_back(count)
        if credit.is_limited:
            # Consumers that were waiting for room come first.
            for consumer in counts:
                if not consumer.waiting and consumer.credit > 0:
                    credit.join(consumer)
            credit.call()
        else:
            for consumer in counts:
                consumer.offer()


def _by_consumer(held: Iterable[QueuedMessage]) -> dict[AmqpConsumer, int]:
    """How many of these deliveries each consumer was given, without fetched ones."""
    counts: dict[AmqpConsumer, int] = {}
    # Runs of one consumer, as a channel seldom has many.
    last: AmqpConsumer | None = None
    count = 0
    for queued in held:
        holder = queued.holder
        if holder is not last:
            if last is not None:
                counts[last] = counts.get(last, 0) + count
            # All holders are consumers of this channel.
            last = holder if isinstance(holder, AmqpConsumer) else None
            count = 0
        count += 1
    if last is not None:
        counts[last] = counts.get(last, 0) + count
    return counts
