"""Publishes a parsed SEND to its queues, declaring missing ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from batonmq.broker.features.length_limit import first_full
from batonmq.broker.model.arguments import ARGUMENTS
from batonmq.broker.model.settings import TIME_MAX
from batonmq.broker.routing.router import needs_disk
from batonmq.errors import NotFound, ResourceError
from batonmq.message import Message
from batonmq.protocols.stomp.destinations import EXISTING, QUEUE, TEMPORARY, Destination, parse_destination
from batonmq.protocols.stomp.failures import StompFailure

if TYPE_CHECKING:
    from collections.abc import Mapping

    from batonmq.broker import Operations, Route
    from batonmq.broker.routing.exchanges.base import Target
    from batonmq.protocols.sessions.link import Link
    from batonmq.protocols.stomp.declaring import Declaring
    from batonmq.protocols.stomp.parser import Event
    from batonmq.protocols.stomp.prepared_send import PreparedSend
    from batonmq.protocols.stomp.subscriptions import Subscriptions
    from batonmq.protocols.stomp.terms import Terms

__all__ = ["Publishing"]

# Headers that say more about where a message goes than its destination does.
ADDRESSING: Final = frozenset(
    {"auto-delete", "destination-type", "durable", "exclusive", "subscription-type", *ARGUMENTS}
)
# Destinations whose routes are kept.
KNOWN_MAX: Final = 256


class Publishing:
    """Puts the messages of one connection into their queues."""

    __slots__ = (
        "_clock",
        "_counts",
        "_declaring",
        "_dialect",
        "_intake",
        "_known",
        "_operations",
        "_store",
        "_subscriptions",
        "_vhost",
    )

    def __init__(
        self,
        link: Link[Event],
        terms: Terms,
        operations: Operations,
        declaring: Declaring,
        subscriptions: Subscriptions,
    ) -> None:
        self._store = link.broker.store
        self._clock = link.broker.clock
        self._intake = link.intake
        self._counts = link.counts.direct
        self._dialect = terms.dialect
        self._operations = operations
        self._vhost = operations.vhost
        self._declaring = declaring
        self._subscriptions = subscriptions
        # By the header's text: the destinations, and their routes.
        self._known: dict[str, tuple[Destination, Route]] = {}

    # ------------------------------------------------------------------ where it goes

    def look_up(self, text: str, headers: Mapping[str, str]) -> tuple[Destination, Route | None]:
        """A destination, and its route if known. Raises StompFailure."""
        known = self._known.get(text)
        if known is not None and known[1].version == self._vhost.router.version and _add_nothing(headers):
            return known
        return parse_destination(text, self._dialect, headers), None

    def is_plain(self, prepared: PreparedSend) -> bool:
        """Is it known to go to one queue that asks for nothing, and to ask for nothing itself?"""
        route = prepared.route
        return (
            prepared.is_plain
            and route is not None
            and route.queue is not None
            and not route.queue.featured
            and route.version == self._vhost.router.version
            and not self._subscriptions.deaf
        )

    def route(self, prepared: PreparedSend) -> Route:
        """Its route; declares what is missing. Raises BrokerError."""
        route = prepared.route
        if route is not None and route.version == self._vhost.router.version:
            return route
        destination = self._declaring.resolved(prepared.destination)
        if destination.kind == QUEUE:
            name, address = destination.routing_key, destination.address
            self._declaring.writable_queue(name, prepared.headers, address=address)
        elif destination.kind in (EXISTING, TEMPORARY) and destination.routing_key not in self._vhost.queues:
            raise NotFound(f"no queue '{destination.routing_key}' in vhost '{self._vhost.name}'")
        # A route stays good while nothing is bound, unbound, declared or deleted in the virtual host.
        route = self._operations.resolve(destination.exchange, prepared.routing_key)
        prepared.lead(destination.exchange, route)
        if destination.kind != TEMPORARY and _add_nothing(prepared.headers):
            if len(self._known) >= KNOWN_MAX:
                self._known.clear()
            self._known[destination.text] = prepared.destination, route
        return route

    def targets(self, prepared: PreparedSend, message: Message) -> list[Target]:
        """The queues that it goes to, all of which can store it. Raises BrokerError."""
        route = self.route(prepared)
        self._intake.published(route)
        targets = route.targets
        if not route.by_key:
            headers = message.properties.headers or {}
            targets = self._vhost.router.route(route.exchange, [message.routing_key], headers, message.properties)
        deaf = self._subscriptions.deaf
        if deaf:
            targets = [target for target in targets if target not in deaf]
        error = self._store.error
        if error is not None and needs_disk(message, targets):
            raise ResourceError(f"the message cannot be kept: {error.reason}")
        return targets

    # ------------------------------------------------------------------ the message

    def now(self) -> int:
        """The time in milliseconds of the epoch."""
        return int(self._clock.time() * 1000)

    def message(self, prepared: PreparedSend, body: bytes) -> Message:
        """The message of a frame, sent now."""
        properties = prepared.properties_at(self.now() if self._dialect.shows_time else 0)
        if prepared.expires:
            left = min(max(prepared.expires - self.now(), 0), TIME_MAX)
            properties = properties.replace(expiration=str(left))
        return Message(prepared.exchange, prepared.routing_key, properties, body)

    def put(self, prepared: PreparedSend, message: Message) -> int:
        """Publish to the queues; returns KEPT, STORED or REFUSED. Raises BrokerError."""
        targets = self.targets(prepared, message)
        outcome = self._vhost.router.publish(message, targets)
        self._counts.add_published(1)
        counters = self._vhost.router.counters_of(message.exchange)
        if targets:
            counters.routed_to(len(targets))
        else:
            self._counts.add_dropped()
            counters.drop()
        return outcome

    def check(self, sends: list[tuple[PreparedSend, Message]]) -> None:
        """Check that all messages can be sent. Raises StompFailure, BrokerError."""
        full = first_full([(self.targets(prepared, message), message) for prepared, message in sends])
        if full is not None:
            raise too_full(full.name)


def too_full(name: str) -> StompFailure:
    """The failure for a queue that refuses a message."""
    return StompFailure("Message refused", f"queue '{name}' is too full for it")


def _add_nothing(headers: Mapping[str, str]) -> bool:
    """Does only the destination decide where a message goes, and no header?"""
    return headers.keys().isdisjoint(ADDRESSING)
