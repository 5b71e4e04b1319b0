"""BEGIN, COMMIT, ABORT: sends and settlements that happen together or not at all (STOMP 1.2 "BEGIN")."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batonmq.errors import PreconditionFailed
from batonmq.protocols.sessions.quota import Quota
from batonmq.protocols.sessions.settling import requeue, unsettle
from batonmq.protocols.sessions.transactions import Commits, TransactedWork, Transaction
from batonmq.protocols.stomp.dialects import RELEASE
from batonmq.protocols.stomp.failures import StompFailure
from batonmq.protocols.stomp.publishing import too_full

if TYPE_CHECKING:
    from typing import TypeAlias

    from batonmq.message import Message
    from batonmq.protocols.sessions.link import Link
    from batonmq.protocols.sessions.transactions import Routed
    from batonmq.protocols.stomp.errors import Errors
    from batonmq.protocols.stomp.parser import Event
    from batonmq.protocols.stomp.prepared_send import PreparedSend
    from batonmq.protocols.stomp.publishing import Publishing
    from batonmq.protocols.stomp.receipts import Receipts
    from batonmq.protocols.stomp.settling import Settling
    from batonmq.protocols.stomp.subscription import Taken
    from batonmq.protocols.stomp.subscriptions import Subscriptions
    from batonmq.protocols.stomp.terms import Terms

    Send: TypeAlias = tuple[PreparedSend, Message]
    Settled: TypeAlias = tuple[str, Taken]

__all__ = ["Transactions"]


class StompTransaction(Transaction["Send", "Settled"]):
    """The requests since its BEGIN."""

    __slots__ = ("confirmed", "receipts")

    def __init__(self, quota: Quota, frames_max: int) -> None:
        super().__init__(quota, frames_max, "frames")
        self.receipts: list[str] = []
        """The receipts of its frames, to be answered after the COMMIT."""
        self.confirmed = 0
        """The number of messages that such a receipt confirms."""

    def answer(self, receipt: str, messages: int) -> None:
        """Add a receipt that waits for the COMMIT, and confirms that many messages."""
        self.receipts.append(receipt)
        self.confirmed += messages


class Transactions(TransactedWork["Send", "Settled"]):
    """The transactions of one connection, by the client's names for them."""

    __slots__ = (
        "_commits",
        "_counts",
        "_dialect",
        "_errors",
        "_open",
        "_publishing",
        "_quota",
        "_receipts",
        "_settling",
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
        self._commits = Commits(link.broker, link.barrier)
        self._counts = link.counts.direct
        self._dialect = terms.dialect
        self._errors = errors
        self._receipts = receipts
        self._publishing = publishing
        self._subscriptions = subscriptions
        self._settling = settling
        self._open: dict[str, StompTransaction] = {}
        self._quota = Quota(terms.settings.max_transaction_size)

    @property
    def are_committing(self) -> bool:
        """Is there a COMMIT that the store may still fail?"""
        return self._commits.are_pending

    @property
    def are_open(self) -> bool:
        """Is there an open transaction?"""
        return bool(self._open)

    @property
    def sent(self) -> int:
        """The number of messages waiting for a COMMIT."""
        return sum(len(transaction.published) for transaction in self._open.values())

    @property
    def settled(self) -> int:
        """The number of deliveries that a COMMIT will settle."""
        return sum(len(taken) for transaction in self._open.values() for _, taken in transaction.settled)

    def begin(self, name: str) -> None:
        """BEGIN. Raises StompFailure."""
        if name in self._open:
            if not self._dialect.begins_anew:
                raise StompFailure("Bad transaction", f"transaction '{name}' has begun already")
            self.abort(name)
        most = self._dialect.transactions_max
        if len(self._open) >= most:
            raise StompFailure("Transaction limit exceeded", f"a connection may have {most} open")
        self._open[name] = StompTransaction(self._quota, self._dialect.transaction_frames_max)

    def find(self, name: str) -> StompTransaction:
        """An open transaction. Raises StompFailure."""
        transaction = self._open.get(name)
        if transaction is None:
            raise StompFailure("Bad transaction", f'Invalid transaction identifier: "{name}"')
        return transaction

    def send(self, name: str, sends: list[Send], receipt: str | None) -> None:
        """Add the messages of one frame, to be sent at the COMMIT. Raises StompFailure."""
        transaction = self.find(name)
        try:
            transaction.publish(sends, sum(message.size for _, message in sends))
        except PreconditionFailed as error:
            raise _too_large(error) from None
        self._answer(transaction, receipt, len(sends))

    def settle(self, name: str, outcome: str, taken: Taken, receipt: str | None) -> None:
        """Add deliveries, to be settled at the COMMIT. Raises StompFailure."""
        transaction = self.find(name)
        try:
            transaction.settle((outcome, taken))
        except PreconditionFailed as error:
            self._subscriptions.put_back(taken)
            raise _too_large(error) from None
        self._answer(transaction, receipt, 0)

    def _answer(self, transaction: StompTransaction, receipt: str | None, messages: int) -> None:
        if not self._dialect.confirms_transactions_late:
            self._receipts.answer(receipt)
        elif receipt is not None:
            transaction.answer(receipt, messages)

    # ------------------------------------------------------------------ its end

    def commit(self, name: str, receipt: str | None) -> None:
        """COMMIT. Raises StompFailure, BrokerError if something cannot be done, before anything is done."""
        transaction = self.find(name)
        receipts, confirmed = transaction.receipts, transaction.confirmed
        if receipt is not None:
            receipts, confirmed = [*receipts, receipt], len(transaction.published)

        def done() -> None:
            self._receipts.answer(*receipts, messages=confirmed)

        def failed(detail: str) -> None:
            self._counts.add_refused(confirmed)
            failure = StompFailure("Store failure", f"transaction '{name}' could not be kept: {detail}", fatal=True)
            self._errors.tell(failure, receipt)

        self._commits.commit(transaction, self, done, failed)
        del self._open[name]

    def abort(self, name: str) -> None:
        """ABORT: settled deliveries are unsettled again, and are not redelivered. Raises StompFailure."""
        _, settled = self.find(name).take()
        del self._open[name]
        for _, taken in settled:
            self._subscriptions.put_back(taken)

    def abort_all(self) -> None:
        """The connection ends."""
        for name in list(self._open):
            self.abort(name)

    # ------------------------------------------------------------------ what a COMMIT does

    def routed(self, published: list[Send]) -> Routed:
        return [(self._publishing.targets(prepared, message), message) for prepared, message in published]

    def publish_held(self, published: list[Send]) -> None:
        for prepared, message in published:
            self._publishing.put(prepared, message)

    def settle_held(self, settled: Settled) -> None:
        self._settling.settle(*settled)

    def unsettle_held(self, settled: list[Settled]) -> None:
        # Released messages are back in their queue.
        taken = [entry for outcome, entries in settled if outcome != RELEASE for entry in entries]
        held = [queued for _, _, queued in taken]
        unsettle(held)
        if self._subscriptions.are_over:
            requeue(held, failed=True)
        else:
            self._subscriptions.put_back(taken)

    def too_full(self, name: str) -> StompFailure:
        return too_full(name)


def _too_large(error: PreconditionFailed) -> StompFailure:
    return StompFailure("Transaction too large", str(error))
