"""The operations of a client, management requests included."""

from __future__ import annotations

from batonmq.broker.management.target import ManagementTarget
from batonmq.broker.operations.checks import MANAGEMENT
from batonmq.broker.operations.operations import Operations, Route

# No change in the virtual host makes it another: it is asked for each time.
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
