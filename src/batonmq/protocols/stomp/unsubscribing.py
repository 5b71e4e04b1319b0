"""UNSUBSCRIBE: ends a subscription, and deletes the queue of a durable one on request."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batonmq.protocols.stomp.codec import V10
from batonmq.protocols.stomp.declaring import SUBSCRIPTION_NAMES, durable_name
from batonmq.protocols.stomp.destinations import EXCHANGE, Destination
from batonmq.protocols.stomp.failures import StompFailure, missing
from batonmq.protocols.stomp.headers import flag
from batonmq.protocols.stomp.subscribe_request import subscription_key
from batonmq.protocols.stomp.subscription import Subscription
from batonmq.protocols.stomp.subscriptions import named_by

if TYPE_CHECKING:
    from collections.abc import Mapping

    from batonmq.broker import Operations
    from batonmq.protocols.stomp.subscriptions import Subscriptions
    from batonmq.protocols.stomp.terms import Terms

__all__ = ["Unsubscribing"]


class Unsubscribing:
    """Handles UNSUBSCRIBE frames."""

    __slots__ = ("_operations", "_subscriptions", "_terms")

    def __init__(self, terms: Terms, operations: Operations, subscriptions: Subscriptions) -> None:
        self._terms = terms
        self._operations = operations
        self._subscriptions = subscriptions

    def unsubscribe(self, headers: Mapping[str, str]) -> None:
        """UNSUBSCRIBE. Raises StompFailure, BrokerError."""
        shown_id, text = headers.get("id"), headers.get("destination")
        if shown_id is None and self._terms.version != V10 and self._terms.dialect.requires_id:
            raise missing("UNSUBSCRIBE", "id")
        if shown_id is None and text is None:
            detail = "UNSUBSCRIBE must include a 'destination' or 'id' header"
            raise StompFailure("Missing destination or id", detail, bare=True)
        if shown_id is not None and shown_id.startswith("/temp-queue/"):
            raise StompFailure("Invalid id", "UNSUBSCRIBE 'id' may not start with /temp-queue/")
        names_durable = any(header in headers for header in SUBSCRIPTION_NAMES)
        entry = self._subscriptions.remove(subscription_key(shown_id, text or ""))
        if entry is None and shown_id is None:
            # In 1.0 the destination is enough, with or without an id.
            entry = self._subscriptions.remove_by_destination(text or "")
        if entry is None:
            if not (names_durable and self._delete_durable(headers)):
                named = named_by(shown_id, text or "")
                detail = f'UNSUBSCRIBE must refer to an existing subscription.\nSubscription to "{named}" not found.'
                raise StompFailure("No subscription found", detail)
            return
        self._subscriptions.end(entry)
        deletes = names_durable or flag(headers.get("durable")) or flag(headers.get("persistent"))
        if deletes and isinstance(entry, Subscription) and entry.durable_queue:
            self._operations.delete_queue(entry.durable_queue)

    def _delete_durable(self, headers: Mapping[str, str]) -> bool:
        """Delete a durable subscription that this connection is not using; False: there is none of that name."""
        name = durable_name(Destination("", EXCHANGE, "", ""), headers, self._terms.client_id)
        if name not in self._operations.vhost.queues:
            return False
        self._operations.delete_queue(name, if_unused=True)
        return True
