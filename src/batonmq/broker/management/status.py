"""Requests about the state of the broker: its contents, store and memory, and any problems."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from batonmq.broker.management.rights import sees_all

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from batonmq.broker.management.request import Answer, Request
    from batonmq.broker.queues.queue import Queue

# The most unreadable queues that are listed.
FAULTS_MAX: Final = 100


def _status(request: Request) -> Answer:
    """The status as far as the user may see it; the host's part is for users who see everything."""
    operations = request.operations
    directory, scheduler = operations.vhost.directory, operations.vhost.scheduler
    user, store, memory = operations.user, scheduler.store, scheduler.memory
    is_all = sees_all(user)
    queues = list(_queues(request))
    clients = [client for client in directory.clients if is_all or client.user == user.name]
    return {
        **(directory.host() if is_all else {}),
        "vhosts": sum(is_all or user.may_open(name) for name in directory.vhosts),
        "connections": len(clients),
        "channels": sum(client.channel_count for client in clients),
        "queues": len(queues),
        "ready": sum(queue.ready_count for queue in queues),
        "unsettled": sum(queue.unsettled for queue in queues),
        "delayed": sum(queue.delayed_count for queue in queues),
        "store": {"fault": store.error.reason if store.error is not None else None, "pending": store.pending_bytes},
        "memory": {"used": memory.used, "limit": memory.limit},
        "alarms": _alarms(request),
    }


def _health(request: Request) -> Answer:
    return {"alarms": _alarms(request)}


def _alarms(request: Request) -> list[str]:
    """The problems for an operator, a line each."""
    store = request.operations.vhost.scheduler.store
    found = [f"the store takes no messages: {store.error.reason}"] if store.error is not None else []
    for queue in _queues(request):
        if queue.fault and len(found) < FAULTS_MAX:
            found.append(f"queue '{queue.name}' in virtual host '{queue.vhost_name}': {queue.fault}")
    return found


def _queues(request: Request) -> Iterator[Queue]:
    """The queues of the virtual hosts that the user may see."""
    user = request.operations.user
    for name, vhost in request.operations.vhost.directory.vhosts.items():
        if sees_all(user) or user.may_open(name):
            yield from vhost.queues.values()


STATUS_OPERATIONS: dict[str, Callable[[Request], Answer | None]] = {
    "broker.status": _status,
    "broker.health": _health,
}
