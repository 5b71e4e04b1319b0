"""fanout: everything goes to every destination (AMQP 0-9-1 §3.1.3.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batonmq.broker.routing.exchanges.base import Binding, Destination, Exchange

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from batonmq.fields import FieldValue


class FanoutExchange(Exchange):
    """Routes to every bound destination, whatever the key (AMQP 0-9-1 §3.1.3.2)."""

    kind = "fanout"
    uses_key = False

    def _added(self, binding: Binding) -> None:
        """Do nothing: the list of bindings is enough."""

    def _removed(self, binding: Binding) -> None:
        """Do nothing: the list of bindings is enough."""

    def match(self, routing_key: str, headers: Mapping[str, FieldValue]) -> Iterable[Destination]:
        return [binding.destination for binding in self.bindings]
