"""A client's operations, management requests included."""

from __future__ import annotations

from batonmq.broker.management.target import ManagementTarget
from batonmq.broker.operations.checks import MANAGEMENT
from batonmq.broker.operations.operations import Operations, Route

# A version that the virtual host's router never has: the route is not cached, but resolved each time.
NEVER_KEPT = -1


class ManagedOperations(Operations):
    """``Operations`` in which a message to the exchange ``batonmq.management`` is a management request."""

    __slots__ = ()

    def resolve(self, exchange_name: str, routing_key: str | None) -> Route:
        """The route of messages for an exchange and a routing key. Raises NotFound, AccessRefused."""
        if exchange_name != MANAGEMENT:
            return super().resolve(exchange_name, routing_key)
        self._require("write", "exchange", exchange_name)
        return Route(NEVER_KEPT, self.vhost.router.default, [ManagementTarget(self)], by_key=True)
