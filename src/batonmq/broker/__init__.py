"""The point-to-point model: virtual hosts, exchanges, queues, consumers, deliveries. No sockets, no asyncio, no SQL."""

from __future__ import annotations

from batonmq.broker.access import Permission, User
from batonmq.broker.backlog import Backlog, Share
from batonmq.broker.broker import Broker
from batonmq.broker.commit_gate import CommitGate
from batonmq.broker.consumer import Consumer
from batonmq.broker.operations import Operations, Route
from batonmq.broker.queue import KEPT, REFUSED, STORED, Queue

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
