"""ACK and NACK: the deliveries that a frame names, and their outcome (STOMP 1.2 "ACK", "NACK")."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batonmq.protocols.stomp.browsing import Browsing
from batonmq.protocols.stomp.codec import V10, V11, V12
from batonmq.protocols.stomp.dialects import ACCEPT, REJECT, RELEASE
from batonmq.protocols.stomp.failures import StompFailure
from batonmq.protocols.stomp.subscribe_request import CLIENT

if TYPE_CHECKING:
    from batonmq.protocols.stomp.codec import Head
    from batonmq.protocols.stomp.delivery_ids import DeliveryIds
    from batonmq.protocols.stomp.parser import Event
    from batonmq.protocols.stomp.settling import Settling
    from batonmq.protocols.stomp.subscription import Subscription, Taken
    from batonmq.protocols.stomp.subscriptions import Subscriptions
    from batonmq.protocols.stomp.terms import Terms
    from batonmq.protocols.stomp.transactions import Transactions

__all__ = ["Acknowledging"]


class Acknowledging:
    """Takes from the subscriptions what a frame settles, and hands it on: to be settled, or to its transaction."""

    __slots__ = ("_ids", "_name", "_needs_subscription", "_settling", "_subscriptions", "_terms", "_transactions")

    def __init__(
        self,
        terms: Terms,
        ids: DeliveryIds,
        subscriptions: Subscriptions,
        settling: Settling,
        transactions: Transactions,
    ) -> None:
        self._terms = terms
        self._name = "id" if terms.version == V12 else "message-id"
        self._needs_subscription = terms.version == V11 and terms.dialect.ack_needs_subscription
        self._ids = ids
        self._subscriptions = subscriptions
        self._settling = settling
        self._transactions = transactions

    def settle(self, head: Head, receipt: str | None) -> bool:
        """ACK or NACK. Raises StompFailure. True: it is part of a transaction, which took the receipt."""
        outcome = self._outcome(head)
        transaction = head.headers.get("transaction")
        if transaction is not None:
            # An unknown transaction is told before anything is taken.
            self._transactions.find(transaction)
        taken = self._take(head, cumulative=head.command == "ACK" or self._terms.dialect.nack_is_cumulative)
        if transaction is not None:
            self._transactions.settle(transaction, outcome, taken, receipt)
            return True
        self._settling.settle(outcome, taken)
        return False

    def accept_run(self, events: list[Event], at: int) -> int:
        """Settle plain ACKs from ``at`` on together; returns where they end.

        An error in one after the first is reported in its turn. Raises StompFailure.
        """
        taken: Taken = []
        end = len(events)
        while at < end:
            head, receipt, _ = events[at]
            if head.command != "ACK" or receipt is not None or "transaction" in head.headers:
                break
            try:
                taken += self._take(head, cumulative=True)
            except StompFailure:
                if not taken:
                    raise
                break
            at += 1
        self._settling.settle(ACCEPT, taken)
        return at

    def _outcome(self, head: Head) -> str:
        if head.command == "ACK":
            return ACCEPT
        dialect = self._terms.dialect
        if self._terms.version == V10 and not dialect.allows_nack_in_10:
            raise StompFailure("Bad command", "'NACK' is not in STOMP 1.0")
        requeue = head.headers.get("requeue")
        if requeue is None:
            return dialect.nack
        return {"true": RELEASE, "false": REJECT}.get(requeue.lower(), dialect.nack)

    def _take(self, head: Head, *, cumulative: bool) -> Taken:
        """Take the deliveries that the frame names, to be settled. Raises StompFailure."""
        name = self._name
        shown = head.headers.get(name)
        if shown is None:
            raise _missing(head.command, name)
        number, tag = self._ids.read(shown)
        subscription = self._subscriptions.numbered(number)
        if self._needs_subscription:
            _require_subscription(head, shown, subscription)
        if isinstance(subscription, Browsing):
            return []
        if subscription is None or tag not in subscription.unsettled:
            raise self._unknown(head.command, name, shown, subscription, tag)
        if subscription.mode != CLIENT or not cumulative:
            return [(subscription, tag, subscription.take(tag))]
        if self._terms.dialect.acknowledges_connection:
            which = self._subscriptions.held()
        elif subscription.group is not None:
            which = [each for each in self._subscriptions.held() if each.group is subscription.group]
        else:
            return subscription.take_up_to(tag)
        taken = [entry for each in which for entry in each.take_up_to(tag)]
        taken.sort(key=lambda entry: entry[1])
        return taken

    def _unknown(
        self, command: str, name: str, shown: str, subscription: Subscription | None, tag: int
    ) -> StompFailure:
        """The failure for an id without an unsettled delivery."""
        if self._terms.dialect.ack_fails_as_amqp:
            if not tag:
                return StompFailure("Invalid header", f'"{command}" must include a valid "{name}" header')
            if subscription is None:
                return StompFailure("Subscription not found", f'Message with id "{shown}" has no subscription')
            detail = f"PRECONDITION_FAILED - unknown delivery tag {tag}"
            return StompFailure("precondition_failed", detail, fatal=True, bare=True)
        if subscription is not None and subscription.no_ack:
            detail = f"subscription '{subscription.id or subscription.destination.text}' has ack:auto"
            return StompFailure("Message not found", f"{detail}: there is nothing to acknowledge")
        detail = f"unknown delivery '{shown[:128]}': settled already, or never made"
        return StompFailure("Message not found", detail)


def _require_subscription(head: Head, shown: str, subscription: Subscription | Browsing | None) -> None:
    """In 1.1 the frame names the subscription as well. Raises StompFailure."""
    named = head.headers.get("subscription")
    if named is None:
        raise _missing(head.command, "subscription")
    if subscription is not None and subscription.id not in (named, None):
        raise StompFailure("Message not found", f"'{shown}' was not delivered to subscription '{named}'")


def _missing(command: str, header: str) -> StompFailure:
    return StompFailure("Missing header", f'"{command}" must include the "{header}" header')
