"""The point-to-point model: virtual hosts, exchanges, queues, consumers, deliveries. No sockets, no asyncio, no SQL."""

from __future__ import annotations

from batonmq.broker.backlog import Backlog, Share
from batonmq.broker.commit_gate import CommitGate
from batonmq.broker.model.access import Permission, User
from batonmq.broker.model.consumer import Consumer
from batonmq.broker.operations.operations import Operations, Route
from batonmq.broker.queues.queue import KEPT, REFUSED, STORED, Queue
from batonmq.broker.vhosts.broker import Broker

__all__ = [
    "KEPT",
    "REFUSED",
    "STORED",
    "Backlog",
    "Broker",
    "CommitGate",
    "Consumer",
    "Operations",
    "Permission",
    "Queue",
    "Route",
    "Share",
    "User",
]
