"""Reports connections that come and go as events."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batonmq.broker.model.events import CONNECTION_CLOSED, CONNECTION_OPENED

if TYPE_CHECKING:
    from batonmq.broker.model.clients import Client
    from batonmq.broker.model.events import Events


class ConnectionEvents:
    """Observes the clients of a broker."""

    __slots__ = ("_events",)

    def __init__(self, events: Events) -> None:
        self._events = events

    def connected(self, client: Client) -> None:
        """A client has logged in."""
        self._tell(CONNECTION_OPENED, client)

    def disconnected(self, client: Client) -> None:
        """A connection has ended."""
        self._tell(CONNECTION_CLOSED, client)

    def _tell(self, kind: str, client: Client) -> None:
        introduction = client.introduction
        self._events.tell(
            kind,
            vhost=client.vhost,
            user=client.user,
            connection=client.name,
            protocol=introduction.protocol,
            client=introduction.product,
            name=introduction.name,
        )
