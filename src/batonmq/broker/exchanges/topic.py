"""topic: the routing key matches the binding's pattern word by word (AMQP 0-9-1 §3.1.3.3).

Words are what stands between dots, empty ones included; ``*`` matches one word, ``#`` any number of them, also none.
Patterns stand in a tree of words, and a key walks all of its matching branches at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from batonmq.broker.exchanges.base import Binding, Destination, Exchange

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from batonmq.fields import FieldValue


class _Node:
    __slots__ = ("children", "destinations", "is_hash")

    def __init__(self, *, is_hash: bool) -> None:
        self.is_hash = is_hash
        self.children: dict[str, _Node] = {}
        self.destinations: list[Destination] = []


class TopicExchange(Exchange):
    """See the module."""

    kind = "topic"

    def __init__(
        self,
        name: str,
        *,
        durable: bool = False,
        auto_delete: bool = False,
        internal: bool = False,
        arguments: Mapping[str, FieldValue] | None = None,
    ) -> None:
        super().__init__(name, durable=durable, auto_delete=auto_delete, internal=internal, arguments=arguments)
        self._root = _Node(is_hash=False)

    def _added(self, binding: Binding) -> None:
        node = self._root
        for word in _words(binding.routing_key):
            node = node.children.setdefault(word, _Node(is_hash=word == "#"))
        node.destinations.append(binding.destination)

    def _removed(self, binding: Binding) -> None:
        path: list[tuple[_Node, str]] = []
        node = self._root
        for word in _words(binding.routing_key):
            path.append((node, word))
            node = node.children[word]
        node.destinations.remove(binding.destination)
        for parent, word in reversed(path):
            child = parent.children[word]
            if child.destinations or child.children:
                break
            del parent.children[word]

    def match(self, routing_key: str, headers: Mapping[str, FieldValue]) -> Iterable[Destination]:
        nodes = _with_empty_hashes([self._root])
        for word in _words(routing_key):
            following: dict[int, _Node] = {}
            for node in nodes:
                if node.is_hash:
                    following[id(node)] = node
                # A word that reads "*" or "#" in a routing key is a word like any other, not a pattern.
                if word not in ("*", "#") and (child := node.children.get(word)) is not None:
                    following[id(child)] = child
                if (child := node.children.get("*")) is not None:
                    following[id(child)] = child
                if (child := node.children.get("#")) is not None:
                    following[id(child)] = child
            nodes = _with_empty_hashes(list(following.values()))
            if not nodes:
                return ()
        return [destination for node in nodes for destination in node.destinations]


def _words(key: str) -> list[str]:
    """An empty key has no words."""
    return key.split(".") if key else []


def _with_empty_hashes(nodes: list[_Node]) -> list[_Node]:
    """The nodes, and those that are reached from them by a ``#`` that stands for no word."""
    found = {id(node): node for node in nodes}
    for node in nodes:
        child = node.children.get("#")
        while child is not None and id(child) not in found:
            found[id(child)] = child
            child = child.children.get("#")
    return list(found.values())
