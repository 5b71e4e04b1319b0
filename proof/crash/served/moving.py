"""Requests to the broker: moves and replays under way when it is killed, and what is left in its queues."""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Mapping
from typing import Any

import pika

from proof.crash.served.amqp091 import connect
from proof.crash.served.line import HUNG, Hangs

__all__ = ["MOVES", "Requests"]

MOVES: tuple[Mapping[str, object], ...] = (
    {"operation": "queues.move", "queue": "mv.from", "to": "mv.to"},
    {"operation": "queues.replay", "queue": "replay.dead"},
    {"operation": "queues.purge", "queue": "trash"},
)


class Requests:
    """A connection for requests. Raises pika's AMQPError and OSError, and Hangs."""

    def __init__(self, port: int) -> None:
        self._connection = connect(port)
        self._channel: Any = self._connection.channel()
        self._answers: deque[bytes] = deque()
        self._channel.basic_consume(
            "amq.rabbitmq.reply-to",
            lambda _channel, _method, _properties, body: self._answers.append(body),
            auto_ack=True,
        )

    def ask(self, request: Mapping[str, object]) -> dict[str, Any]:
        """The answer."""
        properties = pika.BasicProperties(reply_to="amq.rabbitmq.reply-to")
        self._channel.basic_publish("batonmq.management", "", json.dumps(request).encode(), properties)
        end = time.monotonic() + HUNG
        while not self._answers:
            if time.monotonic() > end:
                raise Hangs(f"no answer to {request}")
            self._connection.process_data_events(1.0)
        answer: dict[str, Any] = json.loads(self._answers.popleft())
        return answer

    def close(self) -> None:
        """End it."""
        self._connection.close()
