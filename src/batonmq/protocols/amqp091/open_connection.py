"""An open connection: the result of its handshake, for all its channels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batonmq.protocols.sessions.quota import Quota
from batonmq.protocols.sessions.routes import Routes

if TYPE_CHECKING:
    from batonmq.broker import Operations
    from batonmq.protocols.amqp091.parser import Event
    from batonmq.protocols.amqp091.settings import AmqpSettings
    from batonmq.protocols.amqp091.terms import Client, Terms
    from batonmq.protocols.amqp091.transaction import Settler
    from batonmq.protocols.sessions.link import Link


class OpenConnection:
    """The client, the terms, and what it may do in its virtual host (``operations``, with its user)."""

    __slots__ = ("_settlers", "client", "link", "operations", "routes", "terms", "transaction_quota")

    def __init__(
        self, link: Link[Event], client: Client, terms: Terms, operations: Operations, settings: AmqpSettings
    ) -> None:
        self.link = link
        self.client = client
        self.terms = terms
        self.operations = operations
        self.routes = Routes(operations)
        self.transaction_quota = Quota(settings.max_transaction_size)
        """The limit of the open transactions of all channels together."""
        self._settlers: dict[int, Settler] = {}

    def channel_opened(self, number: int, settler: Settler) -> None:
        """``settler`` settles the deliveries of the channel of that number."""
        self._settlers[number] = settler

    def channel_closed(self, number: int) -> None:
        """Deliveries on the channel of that number cannot be settled any more."""
        self._settlers.pop(number, None)

    def settler_of(self, channel: int) -> Settler | None:
        """The settler of that channel's deliveries; None: it is not open."""
        return self._settlers.get(channel)
