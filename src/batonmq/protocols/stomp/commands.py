"""The parts of a logged-in connection, and the part that handles each frame."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from batonmq.protocols.stomp.acknowledging import Acknowledging
from batonmq.protocols.stomp.consuming import Consuming
from batonmq.protocols.stomp.declaring import Declaring
from batonmq.protocols.stomp.delivery_ids import DeliveryIds
from batonmq.protocols.stomp.failures import StompFailure, missing
from batonmq.protocols.stomp.preparing import Preparing
from batonmq.protocols.stomp.publishing import Publishing
from batonmq.protocols.stomp.receipts import Receipts
from batonmq.protocols.stomp.sending import Sending
from batonmq.protocols.stomp.settling import Settling
from batonmq.protocols.stomp.subscribing import Subscribing
from batonmq.protocols.stomp.subscriptions import Subscriptions
from batonmq.protocols.stomp.transactions import Transactions
from batonmq.protocols.stomp.unsubscribing import Unsubscribing

if TYPE_CHECKING:
    from collections.abc import Callable

    from batonmq.broker import Operations
    from batonmq.protocols.sessions.link import Link
    from batonmq.protocols.stomp.codec import Head
    from batonmq.protocols.stomp.errors import Errors
    from batonmq.protocols.stomp.parser import Event
    from batonmq.protocols.stomp.terms import Terms

__all__ = ["CONNECTS", "HANDLERS", "Commands"]

CONNECTS: Final = frozenset({"CONNECT", "STOMP"})


class Commands:
    """The parts of an open connection, each made of those that it needs; none knows this object, or the session."""

    __slots__ = (
        "_acknowledging",
        "_broker",
        "_subscribing",
        "_unsubscribing",
        "operations",
        "receipts",
        "sending",
        "subscriptions",
        "transactions",
    )

    def __init__(self, link: Link[Event], terms: Terms, operations: Operations, errors: Errors) -> None:
        ids = DeliveryIds(terms.session)
        declaring = Declaring(terms, operations)
        self._broker = link.broker
        self.operations = operations
        self.receipts = receipts = Receipts(link, terms.version)
        self.subscriptions = subscriptions = Subscriptions(terms.dialect, errors, link.counts.direct)
        settling = Settling(subscriptions, link.counts.direct)
        consuming = Consuming(link, terms, operations, ids, subscriptions)
        publishing = Publishing(link, terms, operations, declaring, subscriptions)
        preparing = Preparing(terms, operations, declaring, consuming, publishing)
        self.transactions = transactions = Transactions(
            link, terms, errors, receipts, publishing, subscriptions, settling
        )
        self.sending = Sending(link, terms, receipts, preparing, publishing, transactions)
        self._subscribing = Subscribing(
            link, terms, errors, operations, ids, receipts, declaring, subscriptions, consuming
        )
        self._unsubscribing = Unsubscribing(terms, operations, subscriptions)
        self._acknowledging = Acknowledging(terms, ids, subscriptions, settling, transactions)

    @property
    def are_owed(self) -> bool:
        """Is the client waiting for the store?"""
        return self.receipts.are_owed or self.transactions.are_committing

    def release(self) -> None:
        """Give back everything that the connection holds."""
        self.transactions.abort_all()
        self.subscriptions.release()
        self.operations.release_owned()

    # ------------------------------------------------------------------ frames

    def handle(self, head: Head, receipt: str | None) -> None:
        """Handle a frame other than SEND, and answer it. Raises StompFailure, BrokerError, StoreError."""
        if self._broker.is_touched:
            self._broker.dispatch_touched()
        handler = HANDLERS.get(head.command)
        if handler is None:
            raise StompFailure("Bad command", f'Could not interpret command "{head.command[:64]}"')
        handler(self, head, receipt)

    def accept(self, events: list[Event], at: int) -> int:
        """Handle an ACK and those that follow it; returns the index of the next frame.

        Raises StompFailure. For an ACK without receipt or transaction. Its deliveries are settled with those of the
        others.
        """
        if self._broker.is_touched:
            self._broker.dispatch_touched()
        return self._acknowledging.accept_run(events, at)

    # ------------------------------------------------------------------ one frame each, as handle() has it

    def connect(self, head: Head, _receipt: str | None) -> None:
        """CONNECT, STOMP: refused, as only one is allowed."""
        raise StompFailure("Illegal command", f"'{head.command}' on a connection that is logged in", fatal=True)

    def subscribe(self, head: Head, receipt: str | None) -> None:
        """SUBSCRIBE."""
        self._subscribing.subscribe(head.headers, receipt)

    def unsubscribe(self, head: Head, receipt: str | None) -> None:
        """UNSUBSCRIBE."""
        self._unsubscribing.unsubscribe(head.headers)
        self.receipts.answer_stored(receipt)

    def settle(self, head: Head, receipt: str | None) -> None:
        """ACK, NACK."""
        if not self._acknowledging.settle(head, receipt):
            self.receipts.answer_stored(receipt)

    def begin(self, head: Head, receipt: str | None) -> None:
        """BEGIN."""
        self.transactions.begin(_transaction_of(head))
        self.receipts.answer(receipt)

    def commit(self, head: Head, receipt: str | None) -> None:
        """COMMIT."""
        self.transactions.commit(_transaction_of(head), receipt)

    def abort(self, head: Head, receipt: str | None) -> None:
        """ABORT."""
        self.transactions.abort(_transaction_of(head))
        self.receipts.answer(receipt)


# Outside the class, where mypyc finds its methods.
HANDLERS: Final[dict[str, Callable[[Commands, Head, str | None], None]]] = {
    "CONNECT": Commands.connect,
    "STOMP": Commands.connect,
    "SUBSCRIBE": Commands.subscribe,
    "UNSUBSCRIBE": Commands.unsubscribe,
    "ACK": Commands.settle,
    "NACK": Commands.settle,
    "BEGIN": Commands.begin,
    "COMMIT": Commands.commit,
    "ABORT": Commands.abort,
}
"""The handler of each command, except SEND and DISCONNECT."""


def _transaction_of(head: Head) -> str:
    """The transaction that a frame names. Raises StompFailure."""
    name = head.headers.get("transaction")
    if name is None:
        raise missing(head.command, "transaction")
    return name
