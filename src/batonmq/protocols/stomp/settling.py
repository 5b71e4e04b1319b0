"""Settles deliveries: accepts, releases or rejects them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batonmq.protocols.sessions.settling import accept, reject, requeue
from batonmq.protocols.stomp.dialects import ACCEPT, REJECT

if TYPE_CHECKING:
    from batonmq.protocols.sessions.counts import MessageCounts
    from batonmq.protocols.stomp.subscription import Subscription, Taken
    from batonmq.protocols.stomp.subscriptions import Subscriptions

__all__ = ["Settling"]


class Settling:
    """Settles the deliveries of ACK and NACK, at once or at the COMMIT."""

    __slots__ = ("_counts", "_subscriptions")

    def __init__(self, subscriptions: Subscriptions, counts: MessageCounts) -> None:
        self._subscriptions = subscriptions
        self._counts = counts

    def settle(self, outcome: str, taken: Taken) -> None:
        """Apply an outcome of ``dialects``, and give the subscriptions room."""
        held = [queued for _, _, queued in taken]
        if outcome == ACCEPT:
            accept(held)
            self._counts.add_accepted(len(held))
        elif outcome == REJECT:
            reject(held)
            self._counts.add_rejected(len(held))
        last: Subscription | None = None
        subscriptions: list[Subscription] = []
        for subscription, _, queued in taken:
            subscription.give_credit(1, queued.message.size)
            if subscription is not last:
                last = subscription
                if subscription not in subscriptions:
                    subscriptions.append(subscription)
        for subscription in subscriptions:
            self._subscriptions.settled(subscription)
            subscription.offer()
        if outcome not in (ACCEPT, REJECT):
            # Make room first: the release makes the queues deliver again, to these subscriptions as well.
            requeue(held, failed=False)
            self._counts.add_requeued(len(held))
