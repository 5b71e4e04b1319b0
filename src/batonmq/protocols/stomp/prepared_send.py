"""A SEND whose headers have been understood."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batonmq.property_list import HEADERS, NOT_PLAIN
from batonmq.protocols.stomp.headers import OWN_HEADERS
from batonmq.protocols.stomp.properties import stamped

if TYPE_CHECKING:
    from collections.abc import Mapping

    from batonmq.broker import Route
    from batonmq.properties import Properties
    from batonmq.protocols.stomp.destinations import Destination

__all__ = ["PreparedSend"]


class PreparedSend:
    """What the headers of a SEND come to. Kept with them, for all frames that have the same."""

    __slots__ = (
        "_properties",
        "_stamp",
        "destination",
        "exchange",
        "expires",
        "headers",
        "is_plain",
        "others",
        "route",
        "routing_key",
        "transaction",
    )

    def __init__(
        self,
        destination: Destination,
        properties: Properties,
        headers: Mapping[str, str],
        *,
        expires: int,
        stamp: int = 0,
        route: Route | None = None,
    ) -> None:
        """``expires`` is in milliseconds of the epoch; 0: never. ``stamp`` is the time in the properties; 0: none.

        ``route``: where it leads, if that is known.
        """
        self.destination = destination
        self.exchange = destination.exchange if route is None else route.exchange.name
        self.routing_key = destination.routing_key
        self.headers = headers
        self.expires = expires
        self.transaction = headers.get("transaction")
        self.is_plain = _is_plain(properties) and not expires and self.transaction is None
        """Has nothing about it to be looked at again, as long as the route stands?"""
        self.route = route
        """Where it leads; None: that is not known yet. It is good while its version is that of the virtual host."""
        self.others: list[PreparedSend] = []
        """Further destinations of the same message."""
        self._properties = properties
        # The time that they tell is that of the last SEND.
        self._stamp = stamp

    def lead(self, exchange: str, route: Route) -> None:
        """From now on it leads there."""
        self.exchange = exchange
        self.route = route

    def also(self, others: list[PreparedSend]) -> None:
        """Send the message to these destinations, too."""
        self.others = others
        self.is_plain = False

    def correlated(self, correlation_id: str, now: int) -> PreparedSend:
        """What the same headers come to with a correlation-id of ASCII; these have none.

        ``now`` is the time in milliseconds of the epoch, or 0, as for ``properties_at``.
        """
        return PreparedSend(
            self.destination,
            self.properties_at(now).correlated(correlation_id.encode()),
            self.headers,
            expires=self.expires,
            stamp=self._stamp,
            route=self.route,
        )

    def properties_at(self, now: int) -> Properties:
        """The properties of a message that is sent now, in milliseconds of the epoch."""
        if self._stamp and now != self._stamp:
            self._properties, self._stamp = stamped(self._properties, now), now
        return self._properties


def _is_plain(properties: Properties) -> bool:
    """Is there nothing that a queue without features would look at? Headers of our own are nothing of the kind."""
    if properties.plain:
        return True
    return not properties.flags & NOT_PLAIN & ~HEADERS and (properties.headers or {}).keys() <= OWN_HEADERS
