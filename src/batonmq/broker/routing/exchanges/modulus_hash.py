"""x-modulus-hash: each message goes to one destination, the same for the same routing key while the bindings stay.

Binding keys mean nothing. The hash of the routing key, modulo the number of bindings, chooses one of them, as in
RabbitMQ 4.3: a destination with two bindings gets twice as much, and nearly all keys move when a binding comes or goes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from batonmq.broker.routing.exchanges.base import Binding, Destination, Exchange, ExchangeOptions
from batonmq.broker.routing.exchanges.key_hash import key_hash

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from batonmq.fields import FieldValue


class ModulusHashExchange(Exchange):
    """Routes to the destination of one binding, the same for the same routing key."""

    kind = "x-modulus-hash"

    def __init__(self, options: ExchangeOptions) -> None:
        super().__init__(options)
        # The destination of each binding, in an order that a restart leaves; None after any change.
        self._ordered: tuple[Destination, ...] | None = None

    def _added(self, binding: Binding) -> None:
        self._ordered = None

    def _removed(self, binding: Binding) -> None:
        self._ordered = None

    def match(self, routing_key: str, headers: Mapping[str, FieldValue]) -> Iterable[Destination]:
        if self._ordered is None:
            self._ordered = tuple(sorted((binding.destination for binding in self.bindings), key=_place))
        if not self._ordered:
            return ()
        return (self._ordered[key_hash(routing_key) % len(self._ordered)],)


def _place(destination: Destination) -> tuple[bool, str]:
    return isinstance(destination, Exchange), destination.name
