"""BatonMQ: point-to-point messaging. Every message is handed to exactly one consumer."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from batonmq import purity
from batonmq.version import __version__ as __version__

if TYPE_CHECKING:
    from batonmq import aio
    from batonmq.api.applications.schedules import cron
    from batonmq.api.applications.worker import Worker
    from batonmq.api.connections.connect import connect
    from batonmq.api.connections.synchronous import Connection
    from batonmq.api.synchronous import Delivery, Receiver, Transaction
    from batonmq.api.workers.policy import Backoff
    from batonmq.engines.figures import QueueInfo, QueueRates, QueueStats
    from batonmq.engines.messages import Message
    from batonmq.engines.values import Capabilities
    from batonmq.errors import (
        AccessRefused,
        AlreadySettled,
        BatonError,
        BrokerError,
        Closed,
        ConnectionLost,
        EngineError,
        InvalidMessage,
        LeaseLost,
        MessageTooLarge,
        NotFound,
        PreconditionFailed,
        ResourceError,
        ResourceLocked,
        StoreCorrupt,
        StoreError,
        UnsupportedFeature,
    )

    compiled: bool

# Before any module is imported that may be compiled.
purity.choose()

__all__ = [
    "AccessRefused",
    "AlreadySettled",
    "Backoff",
    "BatonError",
    "BrokerError",
    "Capabilities",
    "Closed",
    "Connection",
    "ConnectionLost",
    "Delivery",
    "EngineError",
    "InvalidMessage",
    "LeaseLost",
    "Message",
    "MessageTooLarge",
    "NotFound",
    "PreconditionFailed",
    "QueueInfo",
    "QueueRates",
    "QueueStats",
    "Receiver",
    "ResourceError",
    "ResourceLocked",
    "StoreCorrupt",
    "StoreError",
    "Transaction",
    "UnsupportedFeature",
    "Worker",
    "aio",
    "connect",
    "cron",
]

# Read on first use: the broker, which imports this package too, needs none of it.
_MODULES = {
    "Backoff": "batonmq.api.workers.policy",
    "Capabilities": "batonmq.engines.values",
    "Connection": "batonmq.api.connections.synchronous",
    "Delivery": "batonmq.api.synchronous",
    "Message": "batonmq.engines.messages",
    "QueueInfo": "batonmq.engines.figures",
    "QueueRates": "batonmq.engines.figures",
    "QueueStats": "batonmq.engines.figures",
    "Receiver": "batonmq.api.synchronous",
    "Transaction": "batonmq.api.synchronous",
    "Worker": "batonmq.api.applications.worker",
    "connect": "batonmq.api.connections.connect",
    "cron": "batonmq.api.applications.schedules",
}


def __getattr__(name: str) -> object:
    if name == "aio":
        return import_module("batonmq.aio")
    if name == "compiled":
        return purity.is_compiled()
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(_MODULES.get(name, "batonmq.errors")), name)
    globals()[name] = value
    return value
