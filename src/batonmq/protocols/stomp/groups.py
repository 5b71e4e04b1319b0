"""One SUBSCRIBE to several destinations, or to a pattern of queues: a subscription for each queue, under one id."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from batonmq.errors import BrokerError
from batonmq.protocols.stomp.composites import matches
from batonmq.protocols.stomp.destinations import QUEUE, Destination, shown_address

if TYPE_CHECKING:
    from batonmq.broker import Queue
    from batonmq.broker.vhosts.vhost import VirtualHost
    from batonmq.protocols.stomp.consuming import Consuming
    from batonmq.protocols.stomp.dialects import Dialect
    from batonmq.protocols.stomp.subscribe_request import SubscribeRequest
    from batonmq.protocols.stomp.subscription import Subscription

__all__ = ["Group"]


class Group:
    """The subscriptions that one SUBSCRIBE made. Each of them has the prefetch that was asked for."""

    __slots__ = ("_consuming", "_dialect", "_members", "_patterns", "_request", "_vhost", "destination", "id")

    def __init__(self, consuming: Consuming, vhost: VirtualHost, dialect: Dialect, request: SubscribeRequest) -> None:
        self.destination = Destination(request.text, QUEUE, "", request.text)
        self.id = request.id
        self._consuming = consuming
        self._vhost = vhost
        self._dialect = dialect
        self._request = request
        self._patterns = [each.routing_key for each in request.destinations if each.is_pattern]
        self._members: list[Subscription] = []

    def start(self, found: list[tuple[Destination, Queue, str]]) -> None:
        """Subscribe to these, to all matching queues, and to each one declared later.

        Raises BrokerError. ``found``: the destinations, each with its queue, and its name if it belongs to a durable
        subscription.
        """
        for destination, queue, durable in found:
            self._add(destination, queue.name, durable)
        if self._patterns:
            for queue in list(self._vhost.queues.values()):
                self._look_at(queue)
            self._vhost.watch_queues(self, self._look_at)

    def _add(self, destination: Destination, name: str, durable: str) -> None:
        if all(member.queue.name != name for member in self._members):
            self._members.append(self._consuming.consume(self._request, destination, name, durable, group=self))

    def _look_at(self, queue: Queue) -> None:
        """Subscribe to a queue if a pattern matches its name.

        Exclusive queues of others, and those that this user may not read, are left out.
        """
        name = queue.name
        if queue.owner is not None or name.startswith("amq."):
            return
        if any(matches(pattern, name) for pattern in self._patterns):
            with suppress(BrokerError):
                self._add(Destination(shown_address("", name, self._dialect), QUEUE, "", name), name, "")

    def remove(self, member: Subscription) -> None:
        """The broker ended it."""
        if member in self._members:
            self._members.remove(member)

    def offer(self) -> None:
        """There may be room again."""
        for member in list(self._members):
            member.offer()

    def stop(self) -> list[Subscription]:
        """Stop deliveries, and watching for queues. Returns its subscriptions, and drops them."""
        self._vhost.stop_watching(self)
        members, self._members = self._members, []
        for member in members:
            member.stop()
        return members
