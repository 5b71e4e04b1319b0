"""tx: publishes and settlements of a channel that happen together or not at all (AMQP 0-9-1 §1.9)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batonmq.errors import PreconditionFailed
from batonmq.protocols.amqp091 import methods
from batonmq.protocols.amqp091.transaction import ACCEPT, REJECT
from batonmq.protocols.sessions.transactions import Commits, TransactedWork

if TYPE_CHECKING:
    from collections.abc import Callable

    from batonmq.broker import Broker
    from batonmq.broker.routing.exchanges.base import Target
    from batonmq.protocols.amqp091.confirms import Confirms
    from batonmq.protocols.amqp091.publisher import Publisher
    from batonmq.protocols.amqp091.transaction import Publish, Settled, Settler, Taken, Transaction
    from batonmq.protocols.sessions.commit_barrier import CommitBarrier
    from batonmq.protocols.sessions.transactions import Routed


class Transactions(TransactedWork["Publish", "Settled"]):
    """tx.select, tx.commit and tx.rollback of one channel."""

    __slots__ = ("_commits", "_confirms", "_publisher", "_transaction")

    def __init__(
        self,
        broker: Broker,
        barrier: CommitBarrier,
        transaction: Transaction,
        confirms: Confirms,
        publisher: Publisher,
    ) -> None:
        self._commits = Commits(broker, barrier)
        self._transaction = transaction
        self._confirms = confirms
        self._publisher = publisher

    @property
    def are_selected(self) -> bool:
        """Is the channel transactional?"""
        return self._transaction.is_selected

    @property
    def published(self) -> int:
        """The number of messages waiting for tx.commit."""
        return len(self._transaction.published)

    @property
    def settled(self) -> int:
        """The number of deliveries that tx.commit will settle."""
        return sum(len(taken) for *_, taken in self._transaction.settled)

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

    def commit(self, done: Callable[[], None], failed: Callable[[str], None]) -> None:
        """tx.commit: apply everything, and report the store's outcome.

        Raises BrokerError if the store or a queue cannot keep it, before anything is done.
        """
        self._require_selected()
        self._commits.commit(self._transaction, self, done, failed)

    def rollback(self, m: methods.TxRollback) -> methods.Method | None:
        """tx.rollback. Raises PreconditionFailed on a channel that is not transactional."""
        self._require_selected()
        self.forget()
        return methods.TxRollbackOk()

    def forget(self) -> None:
        """Drop all requests; settled deliveries are unsettled again, and are not redelivered (§1.9.2.5)."""
        _, settled = self._transaction.take()
        back: dict[Settler, Taken] = {}
        for settler, _, taken in settled:
            back.setdefault(settler, []).extend(taken)
        for settler, taken in back.items():
            settler.put_back(taken)

    def _require_selected(self) -> None:
        if not self._transaction.is_selected:
            raise PreconditionFailed("channel is not transactional")

    # ------------------------------------------------------------------ what the commit does

    def routed(self, published: list[Publish]) -> Routed:
        return [(_there(targets), message) for message, targets, _ in published]

    def publish_held(self, published: list[Publish]) -> None:
        self._publisher.put_all([(message, _there(targets), mandatory) for message, targets, mandatory in published])

    def settle_held(self, settled: Settled) -> None:
        settler, outcome, taken = settled
        settler.apply(outcome, taken)

    def unsettle_held(self, settled: list[Settled]) -> None:
        back: dict[Settler, Taken] = {}
        for settler, outcome, taken in settled:
            if outcome in (ACCEPT, REJECT):
                back.setdefault(settler, []).extend(taken)
        for settler, taken in back.items():
            settler.undo(taken)


def _there(targets: list[Target]) -> list[Target]:
    """The queues that still exist of those to which the message was routed."""
    return [target for target in targets if not getattr(target, "deleted", False)]
