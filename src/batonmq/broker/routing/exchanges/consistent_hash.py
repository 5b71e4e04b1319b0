"""x-consistent-hash: each message goes to one destination, the same for the same key, shared out by weight.

The binding key is the destination's weight. What is hashed is the routing key, or what the exchange was declared with:
``hash-header`` (a header's name) or ``hash-property`` (message_id, correlation_id or timestamp), as in the plugin of
RabbitMQ.

Each destination draws a number for each key, weighted, and the highest wins (rendezvous hashing): a destination that
comes takes keys over, one that goes leaves its own to the others, and no other key moves. It needs no memory, and is
the same after a restart.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from batonmq.broker.routing.exchanges.base import Binding, Destination, Exchange, ExchangeOptions
from batonmq.broker.routing.exchanges.key_hash import key_hash
from batonmq.errors import PreconditionFailed

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from batonmq.fields import FieldValue
    from batonmq.properties import Properties

HEADER, PROPERTY = "hash-header", "hash-property"
PROPERTIES = ("message_id", "correlation_id", "timestamp")
WEIGHT_MAX = 1_000_000

_MASK = (1 << 64) - 1


class ConsistentHashExchange(Exchange):
    """Routes to one destination, the same for the same key, chosen in proportion to the weights in binding keys."""

    kind = "x-consistent-hash"

    def __init__(self, options: ExchangeOptions) -> None:
        """Raises PreconditionFailed for invalid arguments."""
        super().__init__(options)
        header, hashed = self.arguments.get(HEADER), self.arguments.get(PROPERTY)
        if header is not None and hashed is not None:
            raise PreconditionFailed(f"exchange '{self.name}': {HEADER} and {PROPERTY} exclude each other")
        if header is not None and not isinstance(header, str):
            raise PreconditionFailed(f"exchange '{self.name}': {HEADER} is to be the name of a header")
        if hashed is not None and hashed not in PROPERTIES:
            raise PreconditionFailed(f"exchange '{self.name}': {PROPERTY} is one of {', '.join(PROPERTIES)}")
        self._header = str(header) if isinstance(header, str) else None
        self._property = str(hashed) if isinstance(hashed, str) else None
        self.by_key = self.uses_key = header is None and hashed is None
        # Destination: its seed and its weight, which is the sum of its bindings' weights.
        self._shares: dict[Destination, tuple[int, int]] = {}

    def check_key(self, routing_key: str) -> None:
        if not (routing_key.isascii() and routing_key.isdigit() and int(routing_key) <= WEIGHT_MAX):
            raise PreconditionFailed(
                f"The binding key must be a non-negative integer (up to {WEIGHT_MAX}): it is the weight, and not"
                f" '{routing_key}'"
            )

    def _added(self, binding: Binding) -> None:
        self._weigh(binding.destination, int(binding.routing_key))

    def _removed(self, binding: Binding) -> None:
        self._weigh(binding.destination, -int(binding.routing_key))

    def _weigh(self, destination: Destination, more: int) -> None:
        weight = self._shares.get(destination, (0, 0))[1] + more
        if weight:
            kind = "exchange" if isinstance(destination, Exchange) else "queue"
            self._shares[destination] = (key_hash(f"{kind}/{destination.name}"), weight)
        else:
            self._shares.pop(destination, None)

    def match(self, routing_key: str, headers: Mapping[str, FieldValue]) -> Iterable[Destination]:
        return self._choose(_as_text(headers.get(self._header)) if self._header is not None else routing_key)

    def match_message(
        self, routing_key: str, headers: Mapping[str, FieldValue], properties: Properties | None
    ) -> Iterable[Destination]:
        if self._property is not None:
            return self._choose(_as_text(getattr(properties, self._property) if properties is not None else None))
        return self.match(routing_key, headers)

    def _choose(self, key: str) -> Iterable[Destination]:
        if len(self._shares) <= 1:
            return tuple(self._shares)
        hashed = key_hash(key)
        best: Destination | None = None
        highest = -math.inf
        for destination, (seed, weight) in self._shares.items():
            # An exponential deviate of rate ``weight``: the smallest wins in proportion to the weights.
            score = math.log(_draw(hashed, seed)) / weight
            if score > highest:
                highest, best = score, destination
        return (best,) if best is not None else ()


def _draw(key: int, seed: int) -> float:
    """A number in (0, 1) that depends on every bit of both (the finaliser of splitmix64)."""
    mixed = (key ^ seed) & _MASK
    mixed = ((mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & _MASK
    return ((mixed ^ (mixed >> 31)) + 1) / (_MASK + 2)


def _as_text(value: object) -> str:
    return "" if value is None else value if isinstance(value, str) else repr(value)
