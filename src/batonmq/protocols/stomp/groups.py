"""One SUBSCRIBE to several destinations, or to a pattern of queues: a subscription for each queue, under one id."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, TypeAlias

from batonmq.errors import BrokerError
from batonmq.protocols.stomp.composites import matches
from batonmq.protocols.stomp.destinations import QUEUE, Destination, shown_address

if TYPE_CHECKING:
    from collections.abc import Callable

    from batonmq.broker import Queue
    from batonmq.protocols.stomp.session import StompSession
    from batonmq.protocols.stomp.subscriptions import Subscription

__all__ = ["Group"]

Consume: TypeAlias = "Callable[[Destination, str, str], Subscription]"
"""Subscribes to the queue of a name; with its name once more if it belongs to a durable subscription."""


class Group:
    """See the module. Each of its subscriptions has the prefetch that was asked for."""

    __slots__ = ("_consume", "_patterns", "destination", "id", "members", "session")

    def __init__(
        self, session: StompSession, text: str, shown_id: str | None, patterns: list[Destination], consume: Consume
    ) -> None:
        """``text`` is the destination as the client wrote it; ``patterns`` are the parts of it that have wildcards."""
        self.session = session
        self.destination = Destination(text, QUEUE, "", text)
        self.id = shown_id
        self.members: list[Subscription] = []
        self._patterns = patterns
        self._consume = consume

    def start(self, found: list[tuple[Destination, Queue, str]]) -> None:
        """Subscribe to these, to all queues that match, and to each that is made later. Raises BrokerError."""
        for destination, queue, durable in found:
            self._add(destination, queue.name, durable)
        if self._patterns:
            vhost = self.session.vhost
            for queue in list(vhost.queues.values()):
                self._look_at(queue)
            vhost.on_queue[self] = self._look_at

    def _add(self, destination: Destination, name: str, durable: str) -> None:
        if all(member.queue.name != name for member in self.members):
            member = self._consume(destination, name, durable)
            member.group = self
            self.members.append(member)

    def _look_at(self, queue: Queue) -> None:
        """Does a pattern mean this queue? What another has for himself, or this user may not read, is left out."""
        name = queue.name
        if queue.owner is not None or name.startswith("amq."):
            return
        if any(matches(pattern.routing_key, name) for pattern in self._patterns):
            with suppress(BrokerError):
                self._add(Destination(shown_address("", name, self.session.dialect), QUEUE, "", name), name, "")

    def offer(self) -> None:
        """There may be room again."""
        for member in list(self.members):
            member.offer()

    def stop(self) -> list[Subscription]:
        """No more deliveries, and no more queues. Tells what it had, and keeps none of it."""
        self.session.vhost.on_queue.pop(self, None)
        members, self.members = self.members, []
        for member in members:
            member.stop()
        return members
