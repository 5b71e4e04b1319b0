"""tx: publishes and settlements of a channel that happen together or not at all (AMQP 0-9-1 §1.9).

They are held until the commit, which applies them in one turn: the store writes all of it in one transaction, over any
number of queues.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from batonmq.broker.features.length_limit import first_full
from batonmq.errors import PreconditionFailed, ResourceError
from batonmq.protocols.amqp091 import methods
from batonmq.protocols.amqp091.transaction import ACCEPT, REJECT

if TYPE_CHECKING:
    from batonmq.broker import Broker
    from batonmq.protocols.amqp091.confirms import Confirms
    from batonmq.protocols.amqp091.deliveries import Deliveries
    from batonmq.protocols.amqp091.publisher import Publisher
    from batonmq.protocols.amqp091.settling import Settling
    from batonmq.protocols.amqp091.transaction import Taken, Transaction


class Transactions:
    """tx.select, tx.commit and tx.rollback of one channel."""

    __slots__ = ("_broker", "_committing", "_confirms", "_deliveries", "_publisher", "_settling", "_transaction")

    def __init__(
        self,
        broker: Broker,
        transaction: Transaction,
        confirms: Confirms,
        publisher: Publisher,
        settling: Settling,
        deliveries: Deliveries,
    ) -> None:
        self._broker = broker
        self._transaction = transaction
        self._confirms = confirms
        self._publisher = publisher
        self._settling = settling
        self._deliveries = deliveries
        # Settled by the commit that the store is writing.
        self._committing: Taken = []

    def select(self, m: methods.TxSelect) -> methods.Method | None:
        """tx.select. Raises PreconditionFailed on a channel that confirms."""
        if self._confirms.is_on:
            raise PreconditionFailed("cannot switch from confirm to tx mode")
        self._transaction.select()
        return methods.TxSelectOk()

    def confirm_select(self, m: methods.ConfirmSelect) -> methods.Method | None:
        """confirm.select. Raises PreconditionFailed on a channel that is transactional."""
        if self._transaction.is_selected:
            raise PreconditionFailed("cannot switch from tx to confirm mode")
        self._confirms.select()
        return None if m.no_wait else methods.ConfirmSelectOk()

    def commit(self) -> None:
        """tx.commit: do all of it; tell `committed` or `failed` what came of it in the store.

        Raises BrokerError when the store or a queue cannot keep it, before anything is done.
        """
        self._require_selected()
        broker = self._broker
        published = self._transaction.published
        if broker.store.error is not None and any(message.properties.persistent for message, _, _ in published):
            raise ResourceError(f"the transaction cannot be kept: {broker.store.error.reason}")
        now = int(broker.clock.time() * 1000)
        full = first_full(((targets, message) for message, targets, _ in published), now)
        if full is not None:
            raise PreconditionFailed(f"the transaction cannot be kept: queue '{full.name}' is full")
        settled = self._transaction.take()
        self._committing = [entry for outcome, taken in settled if outcome in (ACCEPT, REJECT) for entry in taken]
        self._publisher.put_all(published)
        for outcome, taken in settled:
            self._settling.apply(outcome, taken)

    def committed(self) -> None:
        """The store has kept the commit."""
        self._committing = []

    def failed(self) -> None:
        """The store has kept nothing of the commit: what it settled is unsettled again. Its publishes are gone."""
        back, self._committing = self._committing, []
        self._settling.undo(back)

    def rollback(self, m: methods.TxRollback) -> methods.Method | None:
        """tx.rollback. Raises PreconditionFailed on a channel that is not transactional."""
        self._require_selected()
        self.forget()
        return methods.TxRollbackOk()

    def forget(self) -> None:
        """Forget what was asked for; what was settled is unsettled again, and is not delivered anew (§1.9.2.5)."""
        settled = self._transaction.take()
        self._deliveries.put_back([entry for _, taken in settled for entry in taken])

    def _require_selected(self) -> None:
        if not self._transaction.is_selected:
            raise PreconditionFailed("channel is not transactional")
