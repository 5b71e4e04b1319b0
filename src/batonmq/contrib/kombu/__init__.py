"""A transport of kombu, Celery's messaging: queues in a file, or in BatonMQ's broker, by URL.

Importing this teaches kombu the schemes ``batonmq`` and ``batonmqs``. With Celery nothing has to be imported: it reads
the entry point of the serializer below before it connects. Docs: docs/celery.md.
"""

from __future__ import annotations

from importlib import import_module

import msgspec

from batonmq.engines.messages import encode_json

try:
    from kombu.transport import TRANSPORT_ALIASES
except ImportError as error:
    raise ImportError("batonmq.contrib.kombu needs kombu: pip install 'batonmq[celery]'") from error

__all__ = ["SERIALIZER", "Transport"]

TRANSPORT_ALIASES.setdefault("batonmq", "batonmq.contrib.kombu.transport:Transport")
TRANSPORT_ALIASES.setdefault("batonmqs", "batonmq.contrib.kombu.broker:TlsTransport")

SERIALIZER = (encode_json, msgspec.json.decode, "application/vnd.batonmq+json", "utf-8")
"""JSON by msgspec, as kombu registers it: dataclasses, dates, decimals, UUIDs and models go out as JSON has them."""


def __getattr__(name: str) -> object:
    # On demand: kombu imports this package while it sets up its serializers, which transports need.
    if name != "Transport":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return import_module("batonmq.contrib.kombu.transport").Transport
