"""The routes of a connection's messages, looked up once and kept while they are valid."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from batonmq.broker import Operations, Route

# A publisher names the same few addresses again and again.
ROUTES_MAX: Final = 1024


class Routes:
    """The routes that one connection has used. A route is valid until something is declared, bound or deleted."""

    __slots__ = ("_known", "_operations")

    def __init__(self, operations: Operations) -> None:
        self._operations = operations
        self._known: dict[tuple[str, str], Route] = {}

    def find(self, exchange: str, routing_key: str) -> Route:
        """The route for an exchange and a key. Raises NotFound, AccessRefused."""
        address = (exchange, routing_key)
        route = self._known.get(address)
        if route is None or route.version != self._operations.vhost.router.version:
            route = self._operations.resolve(exchange, routing_key)
            if len(self._known) >= ROUTES_MAX:
                self._known.clear()
            self._known[address] = route
        return route
