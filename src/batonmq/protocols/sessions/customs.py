"""Customs: what a kind of broker does by default for its clients' queues, such as dead letters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from batonmq.broker.routing.exchanges import ExchangeOptions
from batonmq.fields import LongLong
from batonmq.protocols.sessions.topics import TOPIC_EXCHANGE, virtual_topic

if TYPE_CHECKING:
    from collections.abc import Mapping

    from batonmq.broker import Operations, Queue
    from batonmq.fields import FieldValue

__all__ = ["BY_REASON", "NO_CUSTOMS", "OF_ACTIVEMQ", "OF_ARTEMIS", "CustomaryQueues", "Customs"]

# The exchange that sends expired dead letters to a queue of their own.
BY_REASON: Final = "stomp.dead-letters"


@dataclass(frozen=True, slots=True)
class Customs:
    """The customs of one kind of broker."""

    has_virtual_topics: bool = False
    """Does the queue ``Consumer.NAME.VirtualTopic.x`` get what is sent to the topic ``VirtualTopic.x``?"""
    dead_letters: str = ""
    """The default dead letter queue of queues declared here; "": none."""
    expired_letters: str = ""
    """The queue for expired dead letters; "": the same as for others."""
    deliveries_max: int = 0
    """How often a message of such a queue is delivered before it becomes a dead letter; 0: no limit."""


NO_CUSTOMS: Final = Customs()
OF_ACTIVEMQ: Final = Customs(has_virtual_topics=True, dead_letters="ActiveMQ.DLQ")
OF_ARTEMIS: Final = Customs(dead_letters="DLQ", expired_letters="ExpiryQueue", deliveries_max=10)


class CustomaryQueues:
    """Applies the customs for one connection."""

    __slots__ = ("_customs", "_operations")

    def __init__(self, customs: Customs, operations: Operations) -> None:
        self._customs = customs
        self._operations = operations

    def defaults(self, name: str, arguments: Mapping[str, FieldValue]) -> dict[str, FieldValue]:
        """The additional arguments of a new queue: its dead letter queue, if it names none."""
        customs = self._customs
        if not customs.dead_letters or (name and name in (customs.dead_letters, customs.expired_letters)):
            return {}
        if "x-dead-letter-exchange" in arguments:
            return {}
        found: dict[str, FieldValue] = {"x-dead-letter-exchange": BY_REASON}
        if not customs.expired_letters:
            found = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": customs.dead_letters}
        if customs.deliveries_max:
            found["x-delivery-limit"] = LongLong(customs.deliveries_max - 1)
        return found

    def complete(self, queue: Queue, topic: str = "") -> None:
        """Create what a new queue needs: its dead letter queues, and its binding to a topic, if any.

        ``topic``: the topic of which it gets a copy, as its client named it. Raises BrokerError.
        """
        customs = self._customs
        if customs.dead_letters and queue.arguments.items() >= self.defaults(queue.name, {}).items():
            self._make_dead_letters()
        key = virtual_topic(queue.name) if customs.has_virtual_topics else topic
        if key and key != queue.name:
            router = self._operations.vhost.router
            if router.find_binding(router.exchanges[TOPIC_EXCHANGE], queue, key, {}) is None:
                self._operations.bind_queue(queue.name, TOPIC_EXCHANGE, key, {})

    def _make_dead_letters(self) -> None:
        """Create the dead letter queues, whatever the user's rights: they belong to the broker."""
        customs, vhost = self._customs, self._operations.vhost
        names = [name for name in (customs.dead_letters, customs.expired_letters) if name]
        if all(name in vhost.queues for name in names) and (len(names) == 1 or BY_REASON in vhost.router.exchanges):
            return
        for name in names:
            if name not in vhost.queues:
                vhost.add_queue(name, durable=True, auto_delete=False, owner=None, arguments={})
        if len(names) == 1:
            return
        exchange = vhost.router.exchange(BY_REASON)
        if exchange is None:
            exchange = vhost.add_exchange("headers", ExchangeOptions(BY_REASON, durable=True, internal=True))
        for reason, name in (
            ("expired", customs.expired_letters),
            ("rejected", customs.dead_letters),
            ("delivery_limit", customs.dead_letters),
        ):
            wanted: dict[str, FieldValue] = {"x-match": "all-with-x", "x-last-death-reason": reason}
            vhost.router.bind(exchange, vhost.queues[name], "", wanted)
