"""direct: the routing key equals the binding key (AMQP 0-9-1 §3.1.3.1); and the default exchange built like it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batonmq.broker.routing.exchanges.base import Binding, Destination, Exchange, ExchangeOptions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from batonmq.fields import FieldValue


class DirectExchange(Exchange):
    """Routes to every destination whose binding key is the routing key (AMQP 0-9-1 §3.1.3.1)."""

    kind = "direct"

    def __init__(self, options: ExchangeOptions) -> None:
        super().__init__(options)
        self._by_key: dict[str, dict[Binding, Destination]] = {}

    def _added(self, binding: Binding) -> None:
        self._by_key.setdefault(binding.routing_key, {})[binding] = binding.destination

    def _removed(self, binding: Binding) -> None:
        destinations = self._by_key[binding.routing_key]
        del destinations[binding]
        if not destinations:
            del self._by_key[binding.routing_key]

    def match(self, routing_key: str, headers: Mapping[str, FieldValue]) -> Iterable[Destination]:
        found = self._by_key.get(routing_key)
        return found.values() if found is not None else ()


class DefaultExchange(Exchange):
    """The nameless exchange: every queue is bound to it by its own name, and nothing else can be (§3.1.3.1)."""

    kind = "direct"

    def __init__(self, find: Callable[[str], Destination | None]) -> None:
        """``find`` returns the queue, or other target, of a name."""
        super().__init__(ExchangeOptions("", durable=True))
        self._find = find

    def _added(self, binding: Binding) -> None:
        raise AssertionError("nothing is bound to the default exchange")

    def _removed(self, binding: Binding) -> None:
        raise AssertionError("nothing is bound to the default exchange")

    def match(self, routing_key: str, headers: Mapping[str, FieldValue]) -> Iterable[Destination]:
        queue = self._find(routing_key)
        return (queue,) if queue is not None else ()
