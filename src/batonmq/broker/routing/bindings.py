"""The bindings of a virtual host, indexed by destination and written to the store."""

from __future__ import annotations

import json
from operator import itemgetter
from typing import TYPE_CHECKING, TypeAlias

from batonmq.broker.routing.exchanges.base import Binding, Destination, Exchange
from batonmq.store.records import Definition

if TYPE_CHECKING:
    from collections.abc import Mapping

    from batonmq.fields import FieldValue
    from batonmq.store.interface import Store

# The identity of a binding to a destination: its source, key and arguments.
BindingKey: TypeAlias = tuple[Exchange, str, str]


class Bindings:
    """All bindings of one virtual host. Each exchange also keeps its own outgoing bindings, to match messages."""

    __slots__ = ("_store", "_to", "_vhost")

    def __init__(self, vhost: str, store: Store) -> None:
        self._vhost = vhost
        self._store = store
        # By destination, for when that is deleted, and then by identity.
        self._to: dict[Destination, dict[BindingKey, Binding]] = {}

    def find(
        self, source: Exchange, destination: Destination, routing_key: str, arguments: Mapping[str, FieldValue]
    ) -> Binding | None:
        """The binding with this key and these arguments; None: there is none."""
        bindings = self._to.get(destination)
        return bindings.get(_key_of(source, routing_key, arguments)) if bindings is not None else None

    def to(self, destination: Destination) -> list[Binding]:
        """All bindings to that destination."""
        return list(self._to.get(destination, {}).values())

    def add(self, binding: Binding, *, keep: bool) -> None:
        """Add a binding; ``keep`` writes it to the store if both its ends are durable."""
        source = binding.source
        source.bind(binding)
        key = _key_of(source, binding.routing_key, binding.arguments)
        self._to.setdefault(binding.destination, {})[key] = binding
        if keep and _survives_restart(binding):
            self._store.define(Definition("binding", self._vhost, _name_of(binding), {}, binding.arguments))

    def remove(self, binding: Binding) -> bool:
        """Remove a binding; returns whether it was there."""
        source = binding.source
        if binding not in source.bindings:
            return False
        source.unbind(binding)
        bindings = self._to[binding.destination]
        del bindings[_key_of(source, binding.routing_key, binding.arguments)]
        if not bindings:
            del self._to[binding.destination]
        if _survives_restart(binding):
            self._store.forget("binding", self._vhost, _name_of(binding))
        return True


def _key_of(source: Exchange, routing_key: str, arguments: Mapping[str, FieldValue]) -> BindingKey:
    return source, routing_key, repr(sorted(arguments.items(), key=itemgetter(0))) if arguments else ""


def _survives_restart(binding: Binding) -> bool:
    return binding.source.survives_restart and binding.destination.survives_restart


def _name_of(binding: Binding) -> str:
    kind = "exchange" if isinstance(binding.destination, Exchange) else "queue"
    # The arguments are part of a binding's identity.
    arguments = sorted((name, repr(value)) for name, value in binding.arguments.items())
    return json.dumps([binding.source.name, kind, binding.destination.name, binding.routing_key, arguments])
