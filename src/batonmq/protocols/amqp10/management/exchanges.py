"""Requests about exchanges: declare, delete."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from batonmq.broker.routing.exchanges import EXCHANGE_TYPES
from batonmq.protocols.amqp10.management.arguments import to_arguments
from batonmq.protocols.amqp10.management.requests import Answer, BadRequest, Request, body_fields, check_name

if TYPE_CHECKING:
    from batonmq.broker import Operations

_DEFAULTS: Final = {"type": "direct", "durable": True, "auto_delete": False, "internal": False, "arguments": {}}


class ExchangeRequests:
    """The requests of one connection."""

    __slots__ = ("_operations",)

    def __init__(self, operations: Operations) -> None:
        self._operations = operations

    def put(self, name: str, request: Request) -> Answer:
        """PUT /exchanges/NAME. Raises BadRequest, BrokerError."""
        fields = body_fields(request, _DEFAULTS, "exchange property")
        kind = str(fields["type"])
        if kind not in EXCHANGE_TYPES:
            raise BadRequest(400, f"unknown exchange type '{kind[:64]}'")
        check_name(name)
        self._operations.declare_exchange(
            name,
            kind,
            durable=bool(fields["durable"]),
            auto_delete=bool(fields["auto_delete"]),
            internal=bool(fields["internal"]),
            arguments=to_arguments(fields["arguments"]),
        )
        return Answer(204)

    def delete(self, name: str) -> Answer:
        """DELETE /exchanges/NAME; a missing exchange is no error. Raises AccessRefused."""
        self._operations.delete_exchange(name)
        return Answer(204)
