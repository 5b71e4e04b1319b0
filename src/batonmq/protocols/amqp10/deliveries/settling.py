"""Settles the deliveries of one session by the client's dispositions (part 2 §2.7.6, part 3 §3.4)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from batonmq.errors import BrokerError
from batonmq.protocols.amqp10 import conditions
from batonmq.protocols.amqp10.codec.performatives import (
    Accepted,
    Disposition,
    Modified,
    Received,
    Released,
    TransactionalState,
)
from batonmq.protocols.amqp10.deliveries.receiver import Receiver
from batonmq.protocols.amqp10.failures import Failure, SessionFailure
from batonmq.protocols.sessions.unconfirmed import Unconfirmed

if TYPE_CHECKING:
    from batonmq.broker import Broker
    from batonmq.protocols.amqp10.codec.performatives import DeliveryState, Outcome
    from batonmq.protocols.amqp10.deliveries.channel import Channel
    from batonmq.protocols.amqp10.deliveries.deliveries import Deliveries
    from batonmq.protocols.amqp10.deliveries.late import LateDeliveries
    from batonmq.protocols.amqp10.deliveries.outcomes import Outcomes
    from batonmq.protocols.amqp10.deliveries.transactions import Transactions
    from batonmq.protocols.sessions.commit_barrier import CommitBarrier
    from batonmq.queued import Holder, QueuedMessage

RELEASED: Final = Released()


class Settling:
    """Settles the client's deliveries on one session, at once or in a transaction."""

    __slots__ = (
        "_answers",
        "_barrier",
        "_broker",
        "_channel",
        "_deliveries",
        "_late",
        "_outcomes",
        "_transactions",
    )

    def __init__(
        self,
        channel: Channel,
        deliveries: Deliveries,
        outcomes: Outcomes,
        transactions: Transactions,
        broker: Broker,
        barrier: CommitBarrier,
        late: LateDeliveries,
    ) -> None:
        self._channel = channel
        self._deliveries = deliveries
        self._broker = broker
        self._barrier = barrier
        self._outcomes = outcomes
        self._transactions = transactions
        self._late = late
        # Our settlements of deliveries that the client has not settled itself, sent once the store has their outcome.
        self._answers: Unconfirmed[Disposition] = Unconfirmed()

    def take(self, disposition: Disposition) -> None:
        """Handle the client's disposition of its deliveries. Raises Failure, BrokerError, and then does nothing."""
        first = disposition.first
        last = disposition.last if disposition.last is not None else first
        state = disposition.state
        is_settled = bool(disposition.settled)
        if isinstance(state, Accepted):
            self._late.settle(first, last, settled=is_settled)
            self._end(disposition, state, self._deliveries.take_range(first, last))
            return
        is_undecided = state is None or isinstance(state, Received)
        if is_undecided and not is_settled:
            # No outcome yet: the client has received a part.
            return
        if not isinstance(state, TransactionalState):
            self._late.settle(first, last, settled=is_settled)
        ids = self._deliveries.named(first, last)
        if isinstance(state, TransactionalState):
            if state.outcome is None:
                raise SessionFailure(conditions.INVALID_FIELD, "a transactional state of a delivery needs an outcome")
            self._transactions.settle(state.txn_id, state.outcome, ids, is_settled=is_settled)
        elif state is None or is_undecided:
            self._by_default(ids)
        else:
            self._outcomes.check(state, self._deliveries.find_all(ids))
            self._end(disposition, state, self._deliveries.take(ids))

    def _end(self, disposition: Disposition, state: DeliveryState, held: list[QueuedMessage]) -> None:
        """Apply an outcome to deliveries that were taken, and answer."""
        self._outcomes.apply(state, held)
        if held and not disposition.settled:
            first, last = disposition.first, disposition.last
            self._answer(Disposition(role=False, first=first, last=last, settled=True, state=state))

    def _by_default(self, ids: list[int]) -> None:
        """Apply the default outcomes of the links to deliveries that the client settled without one."""
        for number in ids:
            queued = self._deliveries.pop(number)
            if queued is not None:
                self._settle_as(_default_of(queued.holder) or RELEASED, [queued])

    def release_link(self, link: Holder, *, by_client: bool) -> None:
        """A link ends: its unsettled deliveries get its default outcome, or go back, counted as failed.

        If the client detached the link, they go back uncounted: it had mostly not looked at them. Qpid JMS names
        ``modified`` with ``delivery-failed`` as the default for all links. If that counted, a client that takes one
        message with each link would use up the delivery limit of those behind it.
        """
        default = _default_of(link)
        if by_client:
            default = _without_failure(default)
        self._settle_as(default, self._deliveries.take_of_link(link))

    def _settle_as(self, outcome: Outcome | None, held: list[QueuedMessage]) -> None:
        """Apply a link's default outcome; None, or one that cannot be applied, counts as a failed delivery."""
        if outcome is not None:
            try:
                self._outcomes.check(outcome, held)
            except (Failure, BrokerError):
                outcome = None
        if outcome is None:
            self._outcomes.give_back(held)
        else:
            self._outcomes.apply(outcome, held)

    def take_one(self, delivery_id: int) -> QueuedMessage | None:
        """Take a delivery, to be settled elsewhere; None: there is none with that id."""
        return self._deliveries.pop(delivery_id)

    # ------------------------------------------------------------------ our settlements

    def _answer(self, disposition: Disposition) -> None:
        store = self._broker.store
        if store.has_work():
            self._answers.add(store.batch, disposition)
            self._barrier.await_commit()
        else:
            self._channel.say(disposition)

    def batch_committed(self, batch: int) -> None:
        """Everything up to this batch is on the disk."""
        for disposition in self._answers.take(batch):
            self._channel.say(disposition)
        if self._answers:
            self._barrier.await_commit()

    def batch_failed(self, batch: int) -> None:
        """The store keeps no messages of the batches up to this number; outcomes it tries again with the next one."""
        for disposition in self._answers.take(batch):
            self._answer(disposition)
        if self._answers:
            self._barrier.await_commit()

    def clear(self) -> None:
        """The session ends: send no more settlements."""
        self._answers.clear()


def _default_of(holder: Holder | None) -> Outcome | None:
    return holder.default_outcome if isinstance(holder, Receiver) else None


def _without_failure(outcome: Outcome | None) -> Outcome:
    """The same, but for the attempt, which does not count."""
    if outcome is None:
        return RELEASED
    if isinstance(outcome, Modified):
        return replace(outcome, delivery_failed=False)
    return outcome
