"""BatonMQ for asyncio: what waits in ``batonmq``, to be awaited. Errors, ``Worker`` and ``cron`` are there for both."""

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
