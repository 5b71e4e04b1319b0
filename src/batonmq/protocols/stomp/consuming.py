"""Creates subscriptions: those that a client requests, and those that deliver its replies."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batonmq.protocols.stomp.destinations import EXCHANGE, TEMPORARY, Destination
from batonmq.protocols.stomp.subscribe_request import SubscribeRequest, subscription_key
from batonmq.protocols.stomp.subscription import Subscription

if TYPE_CHECKING:
    from batonmq.broker import Operations, Queue
    from batonmq.protocols.sessions.link import Link
    from batonmq.protocols.stomp.delivery_ids import DeliveryIds
    from batonmq.protocols.stomp.parser import Event
    from batonmq.protocols.stomp.subscription import Group
    from batonmq.protocols.stomp.subscriptions import Subscriptions
    from batonmq.protocols.stomp.terms import Terms

__all__ = ["Consuming"]


class Consuming:
    """Makes consumers of queues for one connection."""

    __slots__ = ("_ids", "_link", "_operations", "_subscriptions", "_terms")

    def __init__(
        self,
        link: Link[Event],
        terms: Terms,
        operations: Operations,
        ids: DeliveryIds,
        subscriptions: Subscriptions,
    ) -> None:
        self._link = link
        self._terms = terms
        self._operations = operations
        self._ids = ids
        self._subscriptions = subscriptions

    def consume(
        self,
        request: SubscribeRequest,
        destination: Destination,
        name: str,
        durable: str,
        *,
        group: Group | None = None,
    ) -> Subscription:
        """A subscription to the queue of this name, which is ``durable`` too if it is a durable subscription's own.

        ``group``: it is a part of that. Raises BrokerError.
        """
        queue = self._operations.require_readable(name)
        if destination.kind == TEMPORARY:
            # A client that subscribes to its replies must not also get them automatically.
            key = subscription_key(destination.text, "")
            implicit = self._subscriptions.find(key)
            if isinstance(implicit, Subscription) and implicit.is_implicit:
                self._subscriptions.remove(key)
                self._subscriptions.end(implicit)
        subscription = self._make(queue, request, destination, durable, group)
        if request.is_deaf and destination.kind == EXCHANGE:
            self._subscriptions.make_deaf(queue)
        return subscription

    def bring_replies(self, destination: Destination, name: str) -> None:
        """A reply-to names a temporary queue: what comes to it is delivered, unless it is subscribed to already.

        ``destination`` is the client's own name for the queue of this name.
        """
        queue = self._operations.find_queue(name)
        # Only this connection uses the queue.
        if any(isinstance(each, Subscription) for each in queue.consumers):
            return
        text = destination.text
        request = SubscribeRequest(subscription_key(text, ""), text, text, (destination,), {})
        self._subscriptions.add(request.key, self._make(queue, request, destination, is_implicit=True))

    def _make(
        self,
        queue: Queue,
        request: SubscribeRequest,
        destination: Destination,
        durable: str = "",
        group: Group | None = None,
        *,
        is_implicit: bool = False,
    ) -> Subscription:
        subscription = Subscription(
            queue,
            request,
            destination,
            link=self._link,
            terms=self._terms,
            ids=self._ids,
            owner=self._subscriptions,
            durable_queue=durable,
            group=group,
            is_implicit=is_implicit,
        )
        self._operations.subscribe(queue, subscription)
        self._subscriptions.begin(subscription)
        return subscription
