"""x-delayed-message: the exchange type of RabbitMQ's plugin, for programs that were written for it.

It routes as the type that its argument ``x-delayed-type`` names. A message is routed when it is published and waits in
its queue, not in the exchange: the header ``x-delay`` does the same through every other exchange.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from batonmq.broker.routing.exchanges.base import Binding, Destination, Exchange, ExchangeOptions, ExchangeType
from batonmq.errors import PreconditionFailed

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from batonmq.fields import FieldValue
    from batonmq.properties import Properties

TYPE_ARGUMENT = "x-delayed-type"


class DelayedExchange(Exchange):
    """Routes as an exchange of the type that its argument ``x-delayed-type`` names."""

    kind = "x-delayed-message"

    def __init__(self, options: ExchangeOptions, types: Mapping[str, ExchangeType]) -> None:
        """``types``: the types that it can stand for.

        Raises PreconditionFailed when its argument names none of these.
        """
        super().__init__(options)
        routes_as = self.arguments.get(TYPE_ARGUMENT)
        if not isinstance(routes_as, str) or routes_as not in types:
            raise PreconditionFailed(
                f"invalid argument '{TYPE_ARGUMENT}' for exchange '{self.name}': it must name an existing exchange type"
            )
        self._inner = types[routes_as](options)
        self.by_key, self.uses_key = self._inner.by_key, self._inner.uses_key
        self.has_topics = self._inner.has_topics

    def check_arguments(self, arguments: Mapping[str, FieldValue]) -> None:
        self._inner.check_arguments(arguments)

    def check_key(self, routing_key: str) -> None:
        self._inner.check_key(routing_key)

    def _added(self, binding: Binding) -> None:
        self._inner.bind(binding)

    def _removed(self, binding: Binding) -> None:
        self._inner.unbind(binding)

    def match(self, routing_key: str, headers: Mapping[str, FieldValue]) -> Iterable[Destination]:
        return self._inner.match(routing_key, headers)

    def match_message(
        self, routing_key: str, headers: Mapping[str, FieldValue], properties: Properties | None
    ) -> Iterable[Destination]:
        return self._inner.match_message(routing_key, headers, properties)
