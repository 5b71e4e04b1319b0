"""Resolves addresses: some names are those of a queue or of a topic, depending on which exists."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from batonmq.protocols.amqp10 import conditions
from batonmq.protocols.amqp10.failures import LinkFailure
from batonmq.protocols.amqp10.nodes.addresses import TOPIC, Address, AddressError, parse_address
from batonmq.protocols.sessions.topics import TOPIC_EXCHANGE, has_subscribers

if TYPE_CHECKING:
    from collections.abc import Collection

    from batonmq.broker.vhosts.vhost import VirtualHost
    from batonmq.protocols.amqp10.dialects import Dialect

__all__ = ["Resolving"]


class Resolving:
    """Resolves the addresses of one connection."""

    __slots__ = ("_dialect", "_vhost")

    def __init__(self, dialect: Dialect, vhost: VirtualHost) -> None:
        self._dialect = dialect
        self._vhost = vhost

    def resolved(self, text: str, capabilities: Collection[str] = ()) -> Address:
        """The resolved address of a text. Raises LinkFailure for an invalid one."""
        try:
            return self.decided(parse_address(text, self._dialect, capabilities))
        except AddressError as error:
            raise LinkFailure(conditions.INVALID_FIELD, str(error), {"invalid-field": "address"}) from None

    def decided(self, address: Address) -> Address:
        """The address as a topic, if it may be one, has subscribers, and there is no queue of that name."""
        name = address.routing_key or ""
        if not address.may_be_topic or name in self._vhost.queues or not has_subscribers(self._vhost, name):
            return address
        return replace(address, kind=TOPIC, exchange=TOPIC_EXCHANGE, may_be_topic=False)
