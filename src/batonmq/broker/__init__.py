"""The point-to-point model: virtual hosts, exchanges, queues, consumers, deliveries. No sockets, no asyncio, no SQL."""

from __future__ import annotations

from batonmq.broker.management.operations import ManagedOperations
from batonmq.broker.model.access import Permission, User
from batonmq.broker.model.consumer import Consumer
from batonmq.broker.model.outcomes import KEPT, REFUSED, STORED
from batonmq.broker.model.turn_time import Share, TurnTime
from batonmq.broker.operations.operations import Operations, Route
from batonmq.broker.queues.queue import Queue
from batonmq.broker.vhosts.broker import Broker

__all__ = [
    "KEPT",
    "REFUSED",
    "STORED",
    "Broker",
    "Consumer",
    "ManagedOperations",
    "Operations",
    "Permission",
    "Queue",
    "Route",
    "Share",
    "TurnTime",
    "User",
]
