"""Publishes a client's messages, from any link: routing and checks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from batonmq.broker.features.publish_headers import asks, check_headers
from batonmq.broker.routing.carbon_copies import carbon_copies
from batonmq.broker.routing.router import needs_disk
from batonmq.errors import AccessRefused, ResourceError

if TYPE_CHECKING:
    from batonmq.broker import Route
    from batonmq.broker.routing.exchanges.base import Target
    from batonmq.message import Message
    from batonmq.properties import Properties
    from batonmq.protocols.amqp10.links.open_connection import OpenConnection

# The encoded name of the header that the annotation x-cc becomes.
COPIES: Final = b"\x02CC"


class Publisher:
    """The publisher of one connection."""

    __slots__ = ("_connection", "_operations")

    def __init__(self, connection: OpenConnection) -> None:
        self._connection = connection
        self._operations = connection.operations

    def route(self, exchange: str, routing_key: str) -> Route:
        """The route of messages to this address. Raises NotFound, AccessRefused."""
        route = self._connection.routes.find(exchange, routing_key)
        self._connection.link.intake.published(route)
        return route

    def targets(self, route: Route, message: Message) -> list[Target]:
        """Check a message, and return the queues that it goes to; empty: it is unroutable.
        Raises AccessRefused, PreconditionFailed, ResourceError.
        """
        properties = message.properties
        keys = [message.routing_key]
        if not properties.plain:
            self._check_user(properties)
            if asks(properties):
                check_headers(properties.headers or {}, int(self._connection.link.broker.clock.time() * 1000))
            if properties.mentions(COPIES):
                keys = _keys(message)
                self._operations.require_topics(route, keys)
        if route.by_key and len(keys) == 1:
            targets = route.targets
        else:
            router = self._operations.vhost.router
            targets = router.route(route.exchange, keys, properties.headers or {}, properties)
        if self._connection.deaf:
            targets = self._connection.deaf.hearing(targets)
        error = self._connection.link.broker.store.error
        if error is not None and needs_disk(message, targets):
            raise ResourceError(f"the message cannot be kept: {error.reason}")
        return targets

    def put(self, message: Message, targets: list[Target]) -> int:
        """Publish to the queues; returns KEPT, STORED or REFUSED."""
        return self._operations.vhost.router.publish(message, targets)

    def _check_user(self, properties: Properties) -> None:
        """Check that the property user-id, if any, is the logged-in user (part 3 §3.2.4). Raises AccessRefused."""
        user = properties.user_id
        known = self._operations.user
        if user is not None and user != known.name and "impersonator" not in known.tags:
            raise AccessRefused(f"user_id property set to '{user}' but authenticated user was '{known.name}'")


def _keys(message: Message) -> list[str]:
    """The routing keys of a message: its own, and those of the annotation x-cc. Raises PreconditionFailed.

    An application property of the same name does not count; it cannot be a list.
    """
    copies = (message.properties.headers or {}).get("CC")
    further = carbon_copies({"CC": copies}) if isinstance(copies, list) else []
    return list(dict.fromkeys([message.routing_key, *further]))
