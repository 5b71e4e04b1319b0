"""Requests about a virtual host's exchanges and bindings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batonmq.broker.management.descriptions import readable

if TYPE_CHECKING:
    from collections.abc import Callable

    from batonmq.broker.management.request import Answer, Request


def _exchanges(request: Request) -> Answer:
    user, vhost = request.operations.user, request.operations.vhost
    return {
        "exchanges": [
            {
                "name": name,
                "vhost": vhost.name,
                "type": exchange.kind,
                "durable": exchange.durable,
                "auto_delete": exchange.auto_delete,
                "internal": exchange.internal,
                "arguments": readable(dict(exchange.arguments)),
                "bindings": len(exchange.bindings),
            }
            for name, exchange in sorted(vhost.router.exchanges.items())
            if user.may(vhost.name, "read", name)
        ]
    }


def _bindings(request: Request) -> Answer:
    """The explicit bindings, without those of the default exchange to every queue."""
    user, vhost = request.operations.user, request.operations.vhost
    return {
        "bindings": [
            {
                "source": name,
                "vhost": vhost.name,
                "destination": binding.destination.name,
                "destination_type": "queue" if binding.destination.name in vhost.queues else "exchange",
                "routing_key": binding.routing_key,
                "arguments": readable(dict(binding.arguments)),
            }
            for name, exchange in sorted(vhost.router.exchanges.items())
            if user.may(vhost.name, "read", name)
            for binding in exchange.bindings
        ]
    }


ROUTING_OPERATIONS: dict[str, Callable[[Request], Answer | None]] = {
    "exchanges.list": _exchanges,
    "bindings.list": _bindings,
}
