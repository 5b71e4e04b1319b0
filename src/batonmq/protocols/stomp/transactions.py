"""BEGIN, COMMIT, ABORT: sends and settlements that happen together or not at all (STOMP 1.2 "BEGIN").

They are held until the COMMIT, which applies them in one turn: the store writes all of it in one transaction, over any
number of queues.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from batonmq.protocols.stomp.dialects import RELEASE
from batonmq.protocols.stomp.failures import StompFailure
from batonmq.protocols.stomp.subscribing import release

if TYPE_CHECKING:
    from batonmq.message import Message
    from batonmq.protocols.stomp.sending import PreparedSend
    from batonmq.protocols.stomp.session import StompSession
    from batonmq.protocols.stomp.subscriptions import Taken

__all__ = ["Transactions"]


class Transaction:
    """What was asked for since its BEGIN."""

    __slots__ = ("frames", "receipts", "sends", "settled", "size")

    def __init__(self) -> None:
        self.sends: list[tuple[PreparedSend, Message]] = []
        self.settled: list[tuple[str, Taken]] = []
        self.receipts: list[str] = []
        self.frames = 0
        # Octets of the bodies.
        self.size = 0


class Transactions:
    """Those of one session, by the client's names for them."""

    __slots__ = ("_committing", "_open", "_session", "_size")

    def __init__(self, session: StompSession) -> None:
        self._session = session
        self._open: dict[str, Transaction] = {}
        self._size = 0
        # COMMITs that wait for the store.
        self._committing = 0

    @property
    def are_committing(self) -> bool:
        """Is there a COMMIT that the store may still fail?"""
        return self._committing > 0

    def begin(self, name: str) -> None:
        """BEGIN. Raises StompFailure."""
        dialect = self._session.dialect
        if name in self._open:
            if not dialect.begins_anew:
                raise StompFailure("Bad transaction", f"transaction '{name}' has begun already")
            self.abort(name)
        if len(self._open) >= dialect.transactions_max:
            raise StompFailure("Transaction limit exceeded", f"a connection may have {dialect.transactions_max} open")
        self._open[name] = Transaction()

    def find(self, name: str) -> Transaction:
        """An open transaction. Raises StompFailure."""
        transaction = self._open.get(name)
        if transaction is None:
            raise StompFailure("Bad transaction", f'Invalid transaction identifier: "{name}"')
        return transaction

    def send(self, sends: list[tuple[PreparedSend, Message]], receipt: str | None) -> None:
        """To be sent at the COMMIT, what one frame asked for. Raises StompFailure."""
        name = sends[0][0].transaction
        assert name is not None
        transaction = self.find(name)
        size = sum(message.size for _, message in sends)
        if self._size + size > self._session.settings.max_transaction_size:
            most = self._session.settings.max_transaction_size
            raise StompFailure("Transaction too large", f"a connection's transactions may hold {most} octets")
        self._count(transaction, receipt)
        transaction.sends += sends
        transaction.size += size
        self._size += size

    def settle(self, name: str, outcome: str, taken: Taken, receipt: str | None) -> None:
        """To be settled at the COMMIT. Raises StompFailure."""
        transaction = self.find(name)
        try:
            self._count(transaction, receipt)
        except StompFailure:
            self._session.subscribing.put_back(taken)
            raise
        transaction.settled.append((outcome, taken))

    def _count(self, transaction: Transaction, receipt: str | None) -> None:
        dialect = self._session.dialect
        if transaction.frames >= dialect.transaction_frames_max:
            raise StompFailure("Transaction too large", f"it may have {dialect.transaction_frames_max} frames")
        transaction.frames += 1
        if receipt is not None:
            if dialect.confirms_transactions_late:
                transaction.receipts.append(receipt)
            else:
                self._session.receipts.answer(receipt)

    # ------------------------------------------------------------------ its end

    def commit(self, name: str, receipt: str | None) -> None:
        """COMMIT. Raises StompFailure, BrokerError when something cannot be done, before any of it is done."""
        session = self._session
        transaction = self.find(name)
        session.sending.check(transaction.sends)
        self._forget(name)
        receipts = [*transaction.receipts] if receipt is None else [*transaction.receipts, receipt]
        for prepared, message in transaction.sends:
            session.sending.put(prepared, message)
        for outcome, taken in transaction.settled:
            session.acknowledging.apply(outcome, taken)

        if not session.broker.store.has_work():
            for each in receipts:
                session.receipts.answer(each)
            return

        def done() -> None:
            self._committing -= 1
            if not session.finished:
                for each in receipts:
                    session.receipts.answer(each)

        def failed(detail: str) -> None:
            self._committing -= 1
            self._undo(transaction)
            failure = StompFailure("Store failure", f"transaction '{name}' could not be kept: {detail}", fatal=True)
            session.fail(failure, receipt)

        self._committing += 1
        session.gate.wait_for_commit(done, failed)

    def _undo(self, transaction: Transaction) -> None:
        """The store kept nothing of it: what it settled is unsettled again. What it sent is gone."""
        for outcome, taken in transaction.settled:
            # What was given back is in its queue.
            if outcome != RELEASE:
                for _, _, queued in taken:
                    queued.settlement.unsettle(queued)
                self._put_back(taken)

    def _put_back(self, taken: Taken) -> None:
        """To the subscriptions that held it; to the queues, if the client is gone meanwhile."""
        if self._session.is_open:
            self._session.subscribing.put_back(taken)
        else:
            release([queued for _, _, queued in taken])

    def abort(self, name: str) -> None:
        """ABORT: what was settled is unsettled again, and is not delivered anew. Raises StompFailure."""
        transaction = self.find(name)
        self._forget(name)
        for _, taken in transaction.settled:
            self._session.subscribing.put_back(taken)

    def abort_all(self) -> None:
        """The connection ends."""
        for name in list(self._open):
            self.abort(name)

    def _forget(self, name: str) -> None:
        self._size -= self._open.pop(name).size
