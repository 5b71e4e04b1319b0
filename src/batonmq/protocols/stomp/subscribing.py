"""SUBSCRIBE: finds or declares the queues of its destinations, then consumes from them or browses them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batonmq.errors import BrokerError
from batonmq.protocols.stomp.browsing import Browsing
from batonmq.protocols.stomp.destinations import EXCHANGE, QUEUE, TEMPORARY, Destination
from batonmq.protocols.stomp.failures import StompFailure, as_failure
from batonmq.protocols.stomp.groups import Group
from batonmq.protocols.stomp.subscribe_request import SubscribeRequest, read_subscribe

if TYPE_CHECKING:
    from collections.abc import Mapping

    from batonmq.broker import Operations, Queue
    from batonmq.protocols.sessions.link import Link
    from batonmq.protocols.stomp.consuming import Consuming
    from batonmq.protocols.stomp.declaring import Declaring
    from batonmq.protocols.stomp.delivery_ids import DeliveryIds
    from batonmq.protocols.stomp.errors import Errors
    from batonmq.protocols.stomp.parser import Event
    from batonmq.protocols.stomp.receipts import Receipts
    from batonmq.protocols.stomp.subscriptions import Subscriptions
    from batonmq.protocols.stomp.terms import Terms

__all__ = ["Subscribing"]


class Subscribing:
    """Handles SUBSCRIBE frames."""

    __slots__ = (
        "_consuming",
        "_declaring",
        "_errors",
        "_ids",
        "_link",
        "_operations",
        "_receipts",
        "_subscriptions",
        "_terms",
    )

    def __init__(
        self,
        link: Link[Event],
        terms: Terms,
        errors: Errors,
        operations: Operations,
        ids: DeliveryIds,
        receipts: Receipts,
        declaring: Declaring,
        subscriptions: Subscriptions,
        consuming: Consuming,
    ) -> None:
        self._link = link
        self._terms = terms
        self._errors = errors
        self._operations = operations
        self._ids = ids
        self._receipts = receipts
        self._declaring = declaring
        self._subscriptions = subscriptions
        self._consuming = consuming

    def subscribe(self, headers: Mapping[str, str], receipt: str | None) -> None:
        """SUBSCRIBE. Raises StompFailure, BrokerError."""
        request = read_subscribe(headers, self._terms)
        if self._subscriptions.find(request.key) is not None:
            detail = f"A subscription identified by '{request.key}' already exists."
            raise StompFailure("Duplicated subscription identifier", detail, fatal=True, bare=True)
        most = self._terms.settings.max_subscriptions
        if len(self._subscriptions) >= most:
            raise StompFailure("Too many subscriptions", f"a connection may have {most}")
        if request.is_browser:
            self._browse(request, receipt)
        else:
            self._consume(request, receipt)

    # ------------------------------------------------------------------ to consume

    def _consume(self, request: SubscribeRequest, receipt: str | None) -> None:
        is_activemqs = self._terms.dialect.has_composites and "activemq.subscriptionName" in request.headers
        if is_activemqs and request.destinations[0].kind == QUEUE:
            detail = "Invalid Subscription: cannot durably subscribe to a Queue destination!"
            raise StompFailure("Invalid subscription", detail)
        before = self._link.barrier.changes
        resolved = [self._declaring.resolved(each) for each in request.destinations]
        found = [
            (each, *self._declaring.for_subscription(each, request.headers)) for each in resolved if not each.is_pattern
        ]

        def begin() -> None:
            self._begin(request, found)
            self._receipts.answer(receipt)

        def begin_late() -> None:
            # The client may be leaving by now.
            if self._subscriptions.are_over:
                return
            try:
                begin()
            except StompFailure as failure:
                self._errors.tell(failure, receipt)
            except BrokerError as error:
                self._errors.tell(as_failure(error), receipt)

        if self._link.barrier.changes == before:
            begin()
        else:
            # A queue declared for it is on the disk before the client is told.
            self._link.barrier.wait_for_commit(
                begin_late,
                lambda detail: self._errors.tell(StompFailure("Store failure", detail, fatal=True), receipt),
            )

    def _begin(self, request: SubscribeRequest, found: list[tuple[Destination, Queue, str]]) -> None:
        if len(request.destinations) == len(found) == 1:
            destination, queue, durable = found[0]
            subscription = self._consuming.consume(request, destination, queue.name, durable)
            self._subscriptions.add(request.key, subscription)
            return
        group = Group(self._consuming, self._operations.vhost, self._terms.dialect, request)
        self._subscriptions.add(request.key, group)
        try:
            group.start(found)
        except BrokerError:
            self._subscriptions.remove(request.key)
            self._subscriptions.end(group)
            raise

    # ------------------------------------------------------------------ to browse

    def _browse(self, request: SubscribeRequest, receipt: str | None) -> None:
        destination = request.destinations[0]
        if len(request.destinations) != 1 or destination.is_pattern or destination.kind == EXCHANGE:
            raise StompFailure("Invalid destination", f"'{request.text[:64]}' is no queue that can be browsed")
        name = destination.routing_key
        if destination.kind == TEMPORARY:
            name = self._declaring.temporary_queue(name)
        elif destination.kind == QUEUE:
            self._declaring.readable_queue(name, request.headers, address=destination.address)
        browser = self._operations.browse(name, request.selector)
        browsing = Browsing(self._link, self._terms, self._ids, browser, request)
        self._subscriptions.add(request.key, browsing)
        self._subscriptions.begin(browsing)
        self._receipts.answer(receipt)
        browsing.offer()
