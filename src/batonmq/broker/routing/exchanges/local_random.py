"""x-local-random: each message goes to one destination, drawn at random, whatever its routing key."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from batonmq.broker.routing.exchanges.base import Binding, Destination, Exchange, ExchangeOptions
from batonmq.errors import PreconditionFailed

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from batonmq.fields import FieldValue


class LocalRandomExchange(Exchange):
    """Routes to the destination of one binding, drawn for each message. Binding keys are empty, as in RabbitMQ."""

    kind = "x-local-random"
    by_key = False
    uses_key = False

    def __init__(self, options: ExchangeOptions) -> None:
        super().__init__(options)
        # The destination of each binding; None after any change.
        self._drawn_from: tuple[Destination, ...] | None = None

    def check_key(self, routing_key: str) -> None:
        if routing_key:
            raise PreconditionFailed(f"Non empty binding '{routing_key}' key not permitted")

    def _added(self, binding: Binding) -> None:
        self._drawn_from = None

    def _removed(self, binding: Binding) -> None:
        self._drawn_from = None

    def match(self, routing_key: str, headers: Mapping[str, FieldValue]) -> Iterable[Destination]:
        if self._drawn_from is None:
            self._drawn_from = tuple(binding.destination for binding in self.bindings)
        return (random.choice(self._drawn_from),) if self._drawn_from else ()  # noqa: S311 (no secret)
