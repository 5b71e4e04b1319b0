"""Whoever lacks a right, or is in another virtual host: a broker with things of theirs, and what is to be unchanged.

Each protocol has a table of what can be asked over it. ``theirs`` is what the user has no right to, ``mine`` what they
have all rights to.
"""

from __future__ import annotations

from batonmq.broker import Broker, Permission, Queue, User
from batonmq.broker.routing.exchanges import Exchange
from tests.support.driven import Driven

THEIRS = "theirs"
MINE = "mine"
OTHER = "other"
"""A virtual host in which there is only a queue ``mine``."""

# All rights to their own things and none to others', in the one; and everything in the other.
USER = User("guest", frozenset(), {"/": Permission("^mine", "^mine", "^mine"), OTHER: Permission()})
# Everything in the other, and nothing in the one.
STRANGER = User("guest", frozenset({"administrator"}), {OTHER: Permission()})
RIGHTS = ("configure", "write", "read")


def lacking(right: str) -> User:
    """A user who has all rights to everything, but for this one."""
    return User("guest", frozenset(), {"/": Permission(**{right: ""})})


def world() -> Driven:
    """A broker with a queue and an exchange of theirs and of mine; in each queue is a message."""
    driven = Driven()
    operations = driven.operations
    for name in (THEIRS, MINE):
        driven.queue(name)
        driven.publish("m", queue=name)
    for name in ("theirs.x", "mine.x"):
        operations.declare_exchange(name, "direct", durable=True)
    operations.bind_queue(THEIRS, "theirs.x", "k", {})
    operations.bind_exchange("mine.x", "theirs.x", "k", {})
    driven.broker.add_vhost(OTHER).add_queue(MINE, durable=True, auto_delete=False, owner=None, arguments={})
    driven.settle()
    return driven


def state(broker: Broker, vhost: str = "/") -> object:
    """All that a client might have changed in a virtual host."""
    found = broker.vhosts[vhost]
    router = found.router
    queues = {
        name: (queue.ready_count, len(queue.consumers), queue.durable, queue.paused, dict(queue.arguments))
        for name, queue in found.queues.items()
    }
    ends: list[Queue | Exchange] = [*found.queues.values(), *router.exchanges.values()]
    bindings = [
        (binding.source.name, binding.routing_key, end.name, dict(binding.arguments))
        for source in router.exchanges.values()
        for end in ends
        for binding in router.bindings_between(source, end)
    ]
    return queues, sorted(router.exchanges), sorted(bindings, key=repr)
