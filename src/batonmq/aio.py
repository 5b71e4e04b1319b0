"""BatonMQ for asyncio: the same names as ``batonmq``, to be awaited."""

from __future__ import annotations

from batonmq.api.asynchronous import Delivery, Receiver, Transaction
from batonmq.api.connections.asynchronous import Connection
from batonmq.api.connections.connect import connect_async as connect
from batonmq.engines.figures import QueueInfo, QueueRates, QueueStats
from batonmq.engines.messages import Message
from batonmq.engines.values import Capabilities

__all__ = [
    "Capabilities",
    "Connection",
    "Delivery",
    "Message",
    "QueueInfo",
    "QueueRates",
    "QueueStats",
    "Receiver",
    "Transaction",
    "connect",
]
