"""Dynamic nodes: queues that are deleted with their links, or once they are empty (part 3 §3.5.10 to §3.5.13)."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final
from weakref import WeakKeyDictionary

from batonmq.protocols.amqp10.nodes.termini import ON_CLOSE, ON_NO_LINKS, ON_NO_LINKS_OR_MESSAGES, ON_NO_MESSAGES

if TYPE_CHECKING:
    from batonmq.broker import Queue
    from batonmq.broker.vhosts.vhost import VirtualHost

__all__ = ["Lifetimes", "lifetimes_of"]

# Seconds between two checks of a node that is deleted when it is empty.
LOOK_SECONDS: Final = 1.0


class Node:
    """One dynamic node."""

    __slots__ = ("has_creator", "links", "policy")

    def __init__(self, policy: str, *, has_creator: bool) -> None:
        self.policy = policy
        self.links = 0
        self.has_creator = has_creator
        """Is the link that created it attached?"""

    def attached(self) -> None:
        """Count one more link that has it as source or target."""
        self.links += 1

    def detached(self, *, is_creator: bool) -> None:
        """Count one link fewer."""
        self.links -= 1
        if is_creator:
            self.has_creator = False

    def ends(self, queue: Queue) -> bool:
        """Is it to be deleted now?"""
        if self.policy == ON_CLOSE:
            return not self.has_creator
        if self.policy == ON_NO_LINKS:
            return not self.links
        is_free = not self.links if self.policy == ON_NO_LINKS_OR_MESSAGES else not self.has_creator
        return is_free and _is_empty(queue)

    def waits_for_messages(self) -> bool:
        """May it be deleted without a change of its links?"""
        if self.policy == ON_NO_LINKS_OR_MESSAGES:
            return not self.links
        return self.policy == ON_NO_MESSAGES and not self.has_creator


class Lifetimes:
    """The dynamic nodes of one virtual host, by the names of their queues. Their links may be of any connection."""

    __slots__ = ("__weakref__", "_nodes")

    def __init__(self) -> None:
        self._nodes: dict[str, Node] = {}

    def has(self, name: str) -> bool:
        """Is the queue of this name a dynamic node?"""
        return name in self._nodes

    def add(self, name: str, policy: str, *, has_creator: bool) -> None:
        """Add a queue as a dynamic node; ``has_creator``: a link has created it, and will be attached."""
        self._nodes[name] = Node(policy, has_creator=has_creator)

    def attached(self, name: str) -> None:
        """Count a link that has the node as its source or target."""
        self._nodes[name].attached()

    def detached(self, vhost: VirtualHost, name: str, *, is_creator: bool) -> None:
        """Count a link's end, and delete the node with it, if that is its policy."""
        node = self._nodes.get(name)
        if node is not None:
            node.detached(is_creator=is_creator)
            self._look(vhost, name, node)

    def _look(self, vhost: VirtualHost, name: str, node: Node) -> None:
        if self._nodes.get(name) is not node:
            return
        queue = vhost.queues.get(name)
        if queue is None or node.ends(queue):
            del self._nodes[name]
            if queue is not None:
                vhost.let_go([queue])
        elif node.waits_for_messages():
            vhost.scheduler.timetable.after(LOOK_SECONDS, partial(self._look, vhost, name, node))


def _is_empty(queue: Queue) -> bool:
    return not (queue.ready_count or queue.unsettled or queue.delayed_count)


# Kept here, as a virtual host knows no protocol.
_OF_VHOSTS: Final[WeakKeyDictionary[VirtualHost, Lifetimes]] = WeakKeyDictionary()


def lifetimes_of(vhost: VirtualHost) -> Lifetimes:
    """The dynamic nodes of a virtual host."""
    found = _OF_VHOSTS.get(vhost)
    if found is None:
        found = _OF_VHOSTS[vhost] = Lifetimes()
    return found
