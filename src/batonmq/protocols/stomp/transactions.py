"""BEGIN, COMMIT, ABORT: sends and settlements that happen together or not at all (STOMP 1.2 "BEGIN").

They are held until the COMMIT, which applies them in one turn: the store writes all of it in one transaction, over any
number of queues.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from batonmq.protocols.sessions.quota import Quota
from batonmq.protocols.sessions.settling import requeue, unsettle
from batonmq.protocols.stomp.dialects import RELEASE
from batonmq.protocols.stomp.failures import StompFailure

if TYPE_CHECKING:
    from batonmq.message import Message
    from batonmq.protocols.sessions.link import Link
    from batonmq.protocols.stomp.errors import Errors
    from batonmq.protocols.stomp.parser import Event
    from batonmq.protocols.stomp.prepared_send import PreparedSend
    from batonmq.protocols.stomp.publishing import Publishing
    from batonmq.protocols.stomp.receipts import Receipts
    from batonmq.protocols.stomp.settling import Settling
    from batonmq.protocols.stomp.subscription import Taken
    from batonmq.protocols.stomp.subscriptions import Subscriptions
    from batonmq.protocols.stomp.terms import Terms

__all__ = ["Transactions"]


class Transaction:
    """What was asked for since its BEGIN."""

    __slots__ = ("_frames", "_frames_max", "confirmed", "receipts", "sends", "settled", "size")

    def __init__(self, frames_max: int) -> None:
        self._frames = 0
        self._frames_max = frames_max
        self.sends: list[tuple[PreparedSend, Message]] = []
        self.settled: list[tuple[str, Taken]] = []
        self.receipts: list[str] = []
        """Those of its frames, to be answered after the COMMIT."""
        self.confirmed = 0
        """How many of the messages such a receipt confirms."""
        self.size = 0
        """Octets of the bodies."""

    def count(self, receipt: str | None) -> None:
        """One more frame, whose receipt is to wait for the COMMIT; None: it has none that does. Raises StompFailure."""
        if self._frames >= self._frames_max:
            raise StompFailure("Transaction too large", f"it may have {self._frames_max} frames")
        self._frames += 1
        if receipt is not None:
            self.receipts.append(receipt)

    def send(self, sends: list[tuple[PreparedSend, Message]], size: int, *, is_confirmed: bool) -> None:
        """To be sent, of so many octets together."""
        self.sends += sends
        self.size += size
        if is_confirmed:
            self.confirmed += len(sends)


class Transactions:
    """Those of one connection, by the client's names for them."""

    __slots__ = (
        "_barrier",
        "_committing",
        "_counts",
        "_dialect",
        "_errors",
        "_open",
        "_publishing",
        "_quota",
        "_receipts",
        "_settling",
        "_store",
        "_subscriptions",
    )

    def __init__(
        self,
        link: Link[Event],
        terms: Terms,
        errors: Errors,
        receipts: Receipts,
        publishing: Publishing,
        subscriptions: Subscriptions,
        settling: Settling,
    ) -> None:
        self._store = link.broker.store
        self._barrier = link.barrier
        self._counts = link.counts
        self._dialect = terms.dialect
        self._errors = errors
        self._receipts = receipts
        self._publishing = publishing
        self._subscriptions = subscriptions
        self._settling = settling
        self._open: dict[str, Transaction] = {}
        self._quota = Quota(terms.settings.max_transaction_size)
        # COMMITs that wait for the store.
        self._committing = 0

    @property
    def are_committing(self) -> bool:
        """Is there a COMMIT that the store may still fail?"""
        return self._committing > 0

    def begin(self, name: str) -> None:
        """BEGIN. Raises StompFailure."""
        if name in self._open:
            if not self._dialect.begins_anew:
                raise StompFailure("Bad transaction", f"transaction '{name}' has begun already")
            self.abort(name)
        most = self._dialect.transactions_max
        if len(self._open) >= most:
            raise StompFailure("Transaction limit exceeded", f"a connection may have {most} open")
        self._open[name] = Transaction(self._dialect.transaction_frames_max)

    def find(self, name: str) -> Transaction:
        """An open transaction. Raises StompFailure."""
        transaction = self._open.get(name)
        if transaction is None:
            raise StompFailure("Bad transaction", f'Invalid transaction identifier: "{name}"')
        return transaction

    def send(self, name: str, sends: list[tuple[PreparedSend, Message]], receipt: str | None) -> None:
        """To be sent at the COMMIT, what one frame asked for. Raises StompFailure."""
        transaction = self.find(name)
        size = sum(message.size for _, message in sends)
        if not self._quota.take(size):
            most = self._quota.limit
            raise StompFailure("Transaction too large", f"a connection's transactions may hold {most} octets")
        try:
            self._count(transaction, receipt)
        except StompFailure:
            self._quota.give_back(size)
            raise
        transaction.send(sends, size, is_confirmed=receipt is not None and self._dialect.confirms_transactions_late)

    def settle(self, name: str, outcome: str, taken: Taken, receipt: str | None) -> None:
        """To be settled at the COMMIT. Raises StompFailure."""
        transaction = self.find(name)
        try:
            self._count(transaction, receipt)
        except StompFailure:
            self._subscriptions.put_back(taken)
            raise
        transaction.settled.append((outcome, taken))

    def _count(self, transaction: Transaction, receipt: str | None) -> None:
        if self._dialect.confirms_transactions_late:
            transaction.count(receipt)
        else:
            transaction.count(None)
            self._receipts.answer(receipt)

    # ------------------------------------------------------------------ its end

    def commit(self, name: str, receipt: str | None) -> None:
        """COMMIT. Raises StompFailure, BrokerError when something cannot be done, before any of it is done."""
        transaction = self.find(name)
        self._publishing.check(transaction.sends)
        self._forget(name)
        receipts, confirmed = transaction.receipts, transaction.confirmed
        if receipt is not None:
            receipts, confirmed = [*receipts, receipt], len(transaction.sends)
        for prepared, message in transaction.sends:
            self._publishing.put(prepared, message)
        for outcome, taken in transaction.settled:
            self._settling.settle(outcome, taken)

        if not self._store.has_work():
            self._receipts.answer(*receipts, messages=confirmed)
            return

        def done() -> None:
            self._committing -= 1
            self._receipts.answer(*receipts, messages=confirmed)

        def failed(detail: str) -> None:
            self._committing -= 1
            self._undo(transaction)
            self._counts.add_refused(confirmed)
            failure = StompFailure("Store failure", f"transaction '{name}' could not be kept: {detail}", fatal=True)
            self._errors.tell(failure, receipt)

        self._committing += 1
        self._barrier.wait_for_commit(done, failed)

    def _undo(self, transaction: Transaction) -> None:
        """The store kept nothing of it: what it settled is unsettled again. What it sent is gone."""
        for outcome, taken in transaction.settled:
            # What was given back is in its queue.
            if outcome != RELEASE:
                held = [queued for _, _, queued in taken]
                unsettle(held)
                if self._subscriptions.are_over:
                    requeue(held, failed=True)
                else:
                    self._subscriptions.put_back(taken)

    def abort(self, name: str) -> None:
        """ABORT: what was settled is unsettled again, and is not delivered anew. Raises StompFailure."""
        transaction = self.find(name)
        self._forget(name)
        for _, taken in transaction.settled:
            self._subscriptions.put_back(taken)

    def abort_all(self) -> None:
        """The connection ends."""
        for name in list(self._open):
            self.abort(name)

    def _forget(self, name: str) -> None:
        self._quota.give_back(self._open.pop(name).size)
