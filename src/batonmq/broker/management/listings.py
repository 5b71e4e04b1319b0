"""Requests about the broker as a whole: its virtual hosts and its connections, with their counters."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from batonmq.broker.management.request import Answer, Request
    from batonmq.broker.model.access import User

# Tags of users who may see everything, as in RabbitMQ.
MONITORS = frozenset({"administrator", "monitoring"})


def _sees_all(user: User) -> bool:
    return not MONITORS.isdisjoint(user.tags)


def _vhosts(request: Request) -> Answer:
    user = request.operations.user
    clients = [client.vhost for client in request.operations.vhost.directory.clients]
    return {
        "vhosts": [
            {
                "name": name,
                "queues": len(vhost.queues),
                "ready": sum(queue.ready_count for queue in vhost.queues.values()),
                "delayed": sum(queue.delayed_count for queue in vhost.queues.values()),
                "unsettled": sum(queue.unsettled for queue in vhost.queues.values()),
                "connections": clients.count(name),
                "counters": asdict(vhost.counts()),
            }
            for name, vhost in sorted(request.operations.vhost.directory.vhosts.items())
            if _sees_all(user) or user.may_open(name)
        ]
    }


def _connections(request: Request) -> Answer:
    user = request.operations.user
    return {
        "connections": [
            {
                "peer": client.peer,
                "user": client.user,
                "vhost": client.vhost,
                "protocol": client.protocol,
                "client": client.product or None,
                "name": client.name or None,
                "connected_at": client.connected_at,
                "counters": client.counts.listed(),
            }
            for client in request.operations.vhost.directory.clients
            if _sees_all(user) or client.user == user.name
        ]
    }


LISTING_OPERATIONS: dict[str, Callable[[Request], Answer | None]] = {
    "vhosts.list": _vhosts,
    "connections.list": _connections,
}
