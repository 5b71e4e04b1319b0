"""ACK and NACK: which deliveries a frame means, and what becomes of them (STOMP 1.2 "ACK", "NACK")."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batonmq.protocols.stomp.browsing import Browsing
from batonmq.protocols.stomp.codec import V10, V12
from batonmq.protocols.stomp.dialects import ACCEPT, REJECT, RELEASE
from batonmq.protocols.stomp.failures import StompFailure
from batonmq.protocols.stomp.subscribing import release
from batonmq.protocols.stomp.subscriptions import CLIENT, Subscription, Taken

if TYPE_CHECKING:
    from batonmq.protocols.stomp.codec import Head
    from batonmq.protocols.stomp.session import StompSession

__all__ = ["Acknowledging"]


class Acknowledging:
    """The consumer's side of a session."""

    __slots__ = ("_session",)

    def __init__(self, session: StompSession) -> None:
        self._session = session

    def settle(self, head: Head, receipt: str | None) -> bool:
        """ACK or NACK. Raises StompFailure. True: it is part of a transaction, which took the receipt."""
        session = self._session
        outcome = self._outcome(head)
        transaction = head.headers.get("transaction")
        if transaction is not None:
            # An unknown transaction is told before anything is taken.
            session.transactions.find(transaction)
        taken = self._take(head, cumulative=head.command == "ACK" or session.dialect.nack_is_cumulative)
        if transaction is not None:
            session.transactions.settle(transaction, outcome, taken, receipt)
            return True
        self.apply(outcome, taken)
        return False

    def _outcome(self, head: Head) -> str:
        if head.command == "ACK":
            return ACCEPT
        dialect = self._session.dialect
        if self._session.version == V10 and not dialect.allows_nack_in_10:
            raise StompFailure("Bad command", "'NACK' is not in STOMP 1.0")
        requeue = head.headers.get("requeue")
        if requeue is None:
            return dialect.nack
        return {"true": RELEASE, "false": REJECT}.get(requeue.lower(), dialect.nack)

    def _take(self, head: Head, *, cumulative: bool) -> Taken:
        """The deliveries that the frame means, no longer unsettled. Raises StompFailure."""
        session = self._session
        name = "id" if session.version == V12 else "message-id"
        shown = head.headers.get(name)
        if shown is None:
            raise _missing(head.command, name)
        subscription, tag = self._find(shown)
        if session.version not in (V10, V12) and session.dialect.ack_needs_subscription:
            named = head.headers.get("subscription")
            if named is None:
                raise _missing(head.command, "subscription")
            if subscription is not None and subscription.id != named and subscription.id is not None:
                raise StompFailure("Message not found", f"'{shown}' was not delivered to subscription '{named}'")
        if isinstance(subscription, Browsing):
            return []
        if subscription is None or tag not in subscription.unsettled:
            raise self._unknown(head.command, name, shown, subscription, tag)
        if subscription.mode != CLIENT or not cumulative:
            return [(subscription, tag, subscription.unsettled.pop(tag))]
        which = [subscription]
        if session.dialect.acknowledges_connection:
            which = session.subscribing.all_held()
        elif subscription.group is not None:
            which = [each for each in session.subscribing.all_held() if each.group is subscription.group]
        taken: Taken = []
        for each in which:
            tags = []
            for number in each.unsettled:
                # Numbers go up, over all subscriptions.
                if number > tag:
                    break
                tags.append(number)
            taken += [(each, number, each.unsettled.pop(number)) for number in tags]
        taken.sort(key=lambda entry: entry[1])
        return taken

    def _find(self, shown: str) -> tuple[Subscription | Browsing | None, int]:
        """The subscription and the number in an id that we gave; None: we did not."""
        parts = shown.split(".")
        if len(parts) != 3 or parts[0] != self._session.id:
            return None, 0
        if not all(part.isascii() and part.isdigit() and len(part) < 20 for part in parts[1:]):
            return None, 0
        return self._session.subscribing.numbered(int(parts[1])), int(parts[2])

    def _unknown(
        self, command: str, name: str, shown: str, subscription: Subscription | None, tag: int
    ) -> StompFailure:
        """There is nothing unsettled by this id."""
        if self._session.dialect.ack_fails_as_amqp:
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

    def apply(self, outcome: str, taken: Taken) -> None:
        """Settle: accept, release or reject."""
        if outcome == ACCEPT:
            for _, _, queued in taken:
                queued.settlement.accept(queued)
        elif outcome == REJECT:
            for _, _, queued in taken:
                queued.settlement.reject(queued)
        subscriptions: dict[Subscription, None] = {}
        for subscription, _, queued in taken:
            subscription.give_credit(1, queued.message.size)
            subscriptions[subscription] = None
        for subscription in subscriptions:
            self._session.subscribing.settled(subscription)
            subscription.offer()
        if outcome == RELEASE:
            # Room first: the release makes the queues hand out again, to these as to any other.
            release([queued for _, _, queued in taken], failed=False)


def _missing(command: str, header: str) -> StompFailure:
    return StompFailure("Missing header", f'"{command}" must include the "{header}" header')
