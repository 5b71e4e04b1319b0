"""Exchanges: one type a file, all of them answering one question: where does a message with this key go?"""

from __future__ import annotations

from batonmq.broker.exchanges.base import Binding, Destination, Exchange
from batonmq.broker.exchanges.consistent_hash import ConsistentHashExchange
from batonmq.broker.exchanges.delayed import DelayedExchange
from batonmq.broker.exchanges.direct import DefaultExchange, DirectExchange
from batonmq.broker.exchanges.fanout import FanoutExchange
from batonmq.broker.exchanges.headers import HeadersExchange
from batonmq.broker.exchanges.topic import TopicExchange

EXCHANGE_TYPES: dict[str, type[Exchange]] = {
    "direct": DirectExchange,
    "fanout": FanoutExchange,
    "topic": TopicExchange,
    "headers": HeadersExchange,
    "x-consistent-hash": ConsistentHashExchange,
    "x-delayed-message": DelayedExchange,
}

__all__ = ["EXCHANGE_TYPES", "Binding", "DefaultExchange", "Destination", "Exchange"]
