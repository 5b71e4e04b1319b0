"""A soak's churn: queues and exchanges of every kind that are made, used a little and deleted, all the time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pika

if TYPE_CHECKING:
    import random

    from pika.adapters.blocking_connection import BlockingChannel

    from bench.clients import Session

__all__ = ["churn"]

KINDS: tuple[dict[str, Any], ...] = (
    {},
    {"x-max-priority": 5},
    {"x-message-ttl": 100, "x-dead-letter-exchange": ""},
    {"x-max-length": 10},
    {"x-deduplication-size": 10},
    {"x-retry-delay": 50},
    {"x-group-header": "g"},
    {"x-single-active-consumer": True},
)
HEADERS: tuple[dict[str, Any], ...] = (
    {},
    {"x-delay": 200},
    {"x-group": "a"},
    {"x-deduplication-header": "z"},
    {"AMQ_SCHEDULED_PERIOD": 100, "AMQ_SCHEDULED_REPEAT": 3},
)
# What a kill has kept from being deleted goes by itself.
EXPIRES = 10_000
# Queues of one connection, and what is put into each at most.
QUEUES, MESSAGES = 20, 20
SIZES = (10, 6_000)


def churn(session: Session) -> None:
    """As many as fit into one connection; then a new one."""
    for _ in range(session.chance.randrange(1, QUEUES)):
        if session.shared.finishing.is_set():
            session.shared.over.wait(1.0)
            return
        _one(session.channel, session.chance)


def _one(channel: BlockingChannel, chance: random.Random) -> None:
    arguments = {**chance.choice(KINDS), "x-expires": EXPIRES}
    queue = exchange = f"soak.churn.{chance.getrandbits(64):x}"
    channel.queue_declare(queue, durable=chance.random() < 0.7, arguments=arguments)
    channel.exchange_declare(exchange, chance.choice(("topic", "fanout", "direct")), durable=True)
    try:
        channel.queue_bind(queue, exchange, "k.#")
        for _ in range(chance.randrange(MESSAGES)):
            properties = pika.BasicProperties(
                delivery_mode=chance.choice((1, 2)), priority=chance.randrange(5), headers=chance.choice(HEADERS)
            )
            channel.basic_publish(chance.choice(("", exchange)), queue, b"." * chance.choice(SIZES), properties)
        for method, _, _ in channel.consume(queue, inactivity_timeout=0.05):
            if method is None:
                break
            roll = chance.random()
            if roll < 0.5:
                channel.basic_ack(method.delivery_tag)
            elif roll < 0.7:
                channel.basic_nack(method.delivery_tag)
            elif roll < 0.8:
                channel.basic_reject(method.delivery_tag, requeue=False)
            if roll > 0.95:
                break
        channel.cancel()
        channel.queue_delete(queue)
    finally:
        channel.exchange_delete(exchange)
