"""Queues, exchanges, bindings and messages of all kinds, the same in whatever broker, for management to show."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pika
from pika.exceptions import UnroutableError


@dataclass(frozen=True)
class Shop:
    """A connection that stays open while it is looked at. The names of everything begin with ``prefix``."""

    prefix: str
    connection: Any
    turn: Callable[[float], None]
    """Let consumers take what comes, for so many seconds."""

    def name(self, what: str) -> str:
        return f"{self.prefix}{what}"


@contextlib.contextmanager
def shop(port: int, prefix: str, vhost: str = "/") -> Iterator[Shop]:
    """orders: 7 messages, 3 of them held. plain: all are taken. idle: asked in vain. mine: exclusive.

    All of it goes in the end.
    """
    parameters = pika.ConnectionParameters("127.0.0.1", port, vhost, socket_timeout=30, stack_timeout=30)
    connection = pika.BlockingConnection(parameters)
    events, other = f"{prefix}events", f"{prefix}other"
    orders, plain, idle = f"{prefix}orders", f"{prefix}plain", f"{prefix}idle"

    def turn(seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            connection.process_data_events(0.02)

    try:
        channel = connection.channel()
        channel.confirm_delivery()
        channel.exchange_declare(events, "topic", durable=True, arguments={"alternate-exchange": other})
        channel.exchange_declare(other, "fanout", auto_delete=True)
        channel.exchange_bind(other, events, "#.all")
        channel.queue_declare(orders, durable=True, arguments={"x-max-length": 500, "x-message-ttl": 60_000_000})
        channel.queue_declare(plain, durable=True)
        channel.queue_declare(idle, durable=True)
        channel.queue_declare(f"{prefix}mine", exclusive=True)
        channel.queue_bind(orders, events, "order.#")
        channel.queue_bind(orders, events, "a/b*c", arguments={"x": 1, "y": "z"})
        channel.queue_bind(orders, events, "")
        channel.queue_bind(plain, other, "")
        for _ in range(10):
            channel.basic_publish(events, "order.new", b"x" * 100, pika.BasicProperties(delivery_mode=2, timestamp=7))
        for _ in range(5):
            channel.basic_publish("", plain, b"y")
        # Over the alternate exchange to plain.
        channel.basic_publish(events, "nowhere", b"z")
        with contextlib.suppress(UnroutableError):
            channel.basic_publish("amq.direct", f"{prefix}nowhere", b"z", mandatory=True)
        method, _, _ = channel.basic_get(orders)
        assert method is not None
        channel.basic_ack(method.delivery_tag)
        channel.basic_get(orders, auto_ack=True)
        channel.basic_get(idle)
        second = connection.channel()
        second.basic_qos(prefetch_count=3)
        got: list[int] = []
        second.basic_consume(orders, lambda _c, m, _p, _b: got.append(m.delivery_tag), consumer_tag=f"{prefix}one")
        connection.channel().basic_consume(plain, lambda *_: None, auto_ack=True, consumer_tag=f"{prefix}two")
        _until(turn, lambda: len(got) == 3)
        second.basic_nack(got[0], requeue=True)
        _until(turn, lambda: len(got) == 4)
        second.basic_ack(got[1])
        _until(turn, lambda: len(got) == 5)
        yield Shop(prefix, connection, turn)
    finally:
        if connection.is_open:
            channel = connection.channel()
            for queue in (orders, plain, idle):
                channel.queue_delete(queue)
            for exchange in (events, other):
                channel.exchange_delete(exchange)
            connection.close()


def _until(turn: Callable[[float], None], done: Callable[[], bool], seconds: float = 30.0) -> None:
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end
        turn(0.02)
