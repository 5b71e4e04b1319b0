"""Exchanges: one type a file, all of them answering one question: where does a message with this key go?"""

from __future__ import annotations

from batonmq.broker.routing.exchanges.base import Binding, Destination, Exchange
from batonmq.broker.routing.exchanges.consistent_hash import ConsistentHashExchange
from batonmq.broker.routing.exchanges.delayed import DelayedExchange
from batonmq.broker.routing.exchanges.direct import DefaultExchange, DirectExchange
from batonmq.broker.routing.exchanges.fanout import FanoutExchange
from batonmq.broker.routing.exchanges.headers import HeadersExchange
from batonmq.broker.routing.exchanges.topic import TopicExchange

EXCHANGE_TYPES: dict[str, type[Exchange]] = {
    "direct": DirectExchange,
    "fanout": FanoutExchange,
    "topic": TopicExchange,
    "headers": HeadersExchange,
    "x-consistent-hash": ConsistentHashExchange,
    "x-delayed-message": DelayedExchange,
}

__all__ = ["EXCHANGE_TYPES", "Binding", "DefaultExchange", "Destination", "Exchange"]
