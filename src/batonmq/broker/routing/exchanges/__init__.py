"""Exchanges, one type per file. All answer one question: where does a message with this key go?"""

from __future__ import annotations

from batonmq.broker.routing.exchanges.base import (
    ALTERNATE_EXCHANGE,
    Binding,
    Destination,
    Exchange,
    ExchangeOptions,
    ExchangeType,
    Target,
)
from batonmq.broker.routing.exchanges.consistent_hash import ConsistentHashExchange
from batonmq.broker.routing.exchanges.delayed import DelayedExchange
from batonmq.broker.routing.exchanges.direct import DefaultExchange, DirectExchange
from batonmq.broker.routing.exchanges.fanout import FanoutExchange
from batonmq.broker.routing.exchanges.headers import HeadersExchange
from batonmq.broker.routing.exchanges.local_random import LocalRandomExchange
from batonmq.broker.routing.exchanges.modulus_hash import ModulusHashExchange
from batonmq.broker.routing.exchanges.topic import TopicExchange

# The types that route by themselves.
ROUTING_TYPES: dict[str, ExchangeType] = {
    exchange.kind: exchange
    for exchange in (
        DirectExchange,
        FanoutExchange,
        TopicExchange,
        HeadersExchange,
        ConsistentHashExchange,
        ModulusHashExchange,
        LocalRandomExchange,
    )
}


def _delayed(options: ExchangeOptions) -> Exchange:
    return DelayedExchange(options, ROUTING_TYPES)


# All types that can be declared.
EXCHANGE_TYPES: dict[str, ExchangeType] = {**ROUTING_TYPES, DelayedExchange.kind: _delayed}

__all__ = [
    "ALTERNATE_EXCHANGE",
    "EXCHANGE_TYPES",
    "Binding",
    "DefaultExchange",
    "Destination",
    "Exchange",
    "ExchangeOptions",
    "ExchangeType",
    "Target",
]
