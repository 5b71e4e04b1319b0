"""Which frame asks for what, and what becomes of its receipt. SEND has a way of its own (``sending``)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from batonmq.protocols.stomp.failures import StompFailure, missing
from batonmq.protocols.stomp.messages import receipt_frame

if TYPE_CHECKING:
    from collections.abc import Callable

    from batonmq.protocols.stomp.codec import Head
    from batonmq.protocols.stomp.session import StompSession

__all__ = ["CONNECTS", "HANDLERS", "handle"]

CONNECTS: Final = frozenset({"CONNECT", "STOMP"})


def handle(session: StompSession, head: Head, receipt: str | None) -> None:
    """Do what a frame asks for. Raises StompFailure, BrokerError, StoreError."""
    handler = HANDLERS.get(head.command)
    if handler is None:
        raise StompFailure("Bad command", f'Could not interpret command "{head.command[:64]}"')
    handler(session, head, receipt)


def _connect(_session: StompSession, head: Head, _receipt: str | None) -> None:
    raise StompFailure("Illegal command", f"'{head.command}' on a connection that is logged in", fatal=True)


def _subscribe(session: StompSession, head: Head, receipt: str | None) -> None:
    session.subscribing.subscribe(head.headers, receipt)


def _unsubscribe(session: StompSession, head: Head, receipt: str | None) -> None:
    session.subscribing.unsubscribe(head.headers)
    session.receipts.answer_stored(receipt)


def _ack(session: StompSession, head: Head, receipt: str | None) -> None:
    if not session.acknowledging.settle(head, receipt):
        session.receipts.answer_stored(receipt)


def _begin(session: StompSession, head: Head, receipt: str | None) -> None:
    session.transactions.begin(transaction_of(head))
    session.receipts.answer(receipt)


def _commit(session: StompSession, head: Head, receipt: str | None) -> None:
    session.transactions.commit(transaction_of(head), receipt)


def _abort(session: StompSession, head: Head, receipt: str | None) -> None:
    session.transactions.abort(transaction_of(head))
    session.receipts.answer(receipt)


def _disconnect(session: StompSession, _head: Head, receipt: str | None) -> None:
    session.journal.left()
    # What follows is not looked at (STOMP 1.2 "DISCONNECT"); what was promised before is kept first.
    if receipt is None:
        session.end()
        return
    if session.broker.store.has_work():
        # What was acknowledged is on its way to the disk too.
        session.receipts.answer_after([])
    session.end(receipt_frame(receipt, session.version), receipt)


def transaction_of(head: Head) -> str:
    """The transaction that a frame names. Raises StompFailure."""
    name = head.headers.get("transaction")
    if name is None:
        raise missing(head.command, "transaction")
    return name


HANDLERS: Final[dict[str, Callable[[StompSession, Head, str | None], None]]] = {
    "CONNECT": _connect,
    "STOMP": _connect,
    "SUBSCRIBE": _subscribe,
    "UNSUBSCRIBE": _unsubscribe,
    "ACK": _ack,
    "NACK": _ack,
    "BEGIN": _begin,
    "COMMIT": _commit,
    "ABORT": _abort,
    "DISCONNECT": _disconnect,
}
