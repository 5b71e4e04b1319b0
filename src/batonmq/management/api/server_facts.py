"""Facts about this server and its listeners, as in RabbitMQ's overview and nodes."""

from __future__ import annotations

import platform
import ssl
from typing import Final

from batonmq import __version__
from batonmq.broker.routing.exchanges import EXCHANGE_TYPES
from batonmq.management.api.figures import Row
from batonmq.management.api.health import PROTOCOLS
from batonmq.management.http.context import Context

__all__ = ["RABBITMQ_VERSION", "contexts", "exchange_types", "listeners", "versions"]

# Clients decide by this version what they may use: the API here is that of this version.
RABBITMQ_VERSION: Final = "4.3.0"

DESCRIPTIONS: Final = {
    "direct": "The routing key equals the binding key.",
    "fanout": "Every message goes to every queue that is bound.",
    "topic": "Binding keys are patterns of words.",
    "headers": "The headers of a message decide.",
    "x-consistent-hash": "Messages are divided among queues by a hash of their key.",
    "x-modulus-hash": "The hash of a message's routing key chooses one of the bindings.",
    "x-local-random": "Each message goes to one queue, drawn at random.",
    "x-delayed-message": "Messages wait for a time that their header x-delay tells.",
}


def versions() -> Row:
    """The versions of the server and, in place of Erlang, of Python."""
    return {
        "product_name": "BatonMQ",
        "product_version": __version__,
        "rabbitmq_version": RABBITMQ_VERSION,
        "management_version": RABBITMQ_VERSION,
        "erlang_version": platform.python_version(),
        "erlang_full_version": f"{platform.python_implementation()} {platform.python_version()}",
        "crypto_lib_version": ssl.OPENSSL_VERSION,
    }


def exchange_types() -> list[Row]:
    """The types of exchanges that can be declared."""
    return [
        {"name": name, "description": DESCRIPTIONS.get(name, name), "enabled": True} for name in sorted(EXCHANGE_TYPES)
    ]


def listeners(context: Context) -> list[Row]:
    """Every socket that the server listens on."""
    return [
        {
            "node": context.node,
            "protocol": PROTOCOLS.get(one.scheme, one.scheme),
            "ip_address": one.host,
            "port": one.port,
            "socket_opts": {},
            "tls": one.scheme in ("amqps", "stomp+ssl", "wss", "https"),
        }
        for one in context.parts.addresses()
    ]


def contexts(context: Context) -> list[Row]:
    """Where this API is served."""
    return [
        {
            "node": context.node,
            "description": "BatonMQ Management",
            "path": one.path or "/",
            "ip": one.host,
            "port": str(one.port),
            "ssl_opts": [],
        }
        for one in context.parts.addresses()
        if one.scheme in ("http", "https")
    ]
