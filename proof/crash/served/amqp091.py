"""AMQP 0-9-1, by pika."""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Sequence
from typing import Any

import pika
import pika.exceptions

from proof.crash.features import TRANSIENT
from proof.crash.notes import ACCEPT, REJECT, REQUEUE
from proof.crash.served.line import HUNG, Hangs, Line, Lost, Message, RolledBackError, Taken

__all__ = ["Amqp091Line", "connect"]

SYNC = "crash.sync"
"""A queue for what is only confirmed: it keeps the latest."""
PAGE = pika.BasicProperties(delivery_mode=2)


def connect(port: int) -> pika.BlockingConnection:
    """Raises pika's AMQPError or OSError."""
    parameters = pika.ConnectionParameters(
        "127.0.0.1", port, socket_timeout=HUNG, stack_timeout=HUNG, blocked_connection_timeout=HUNG, heartbeat=20
    )
    try:
        return pika.BlockingConnection(parameters)
    except ValueError as error:
        # What pika says of a socket whose other end has gone since it was connected.
        raise ConnectionResetError(str(error)) from error


class Amqp091Line(Line):
    """A connection with one channel: transactional from the beginning, or with confirms."""

    def __init__(self, port: int, *, transactional: bool) -> None:
        with _failing():
            self._connection = connect(port)
            self._channel: Any = self._connection.channel()
            if transactional:
                self._channel.tx_select()
            else:
                self._channel.confirm_delivery()
        self.promises_settlements = not transactional
        self.can_begin = transactional
        self._refused: set[str] = set()
        self._came: deque[Taken] = deque()

    def send(self, message: Message) -> None:
        headers: dict[str, Any] = dict(message.headers)
        expiration = headers.pop("expiration", None)
        properties = pika.BasicProperties(
            delivery_mode=2 if message.persistent else 1,
            headers=headers,
            priority=message.priority,
            expiration=expiration,
        )
        exchange, key = (message.target, "") if message.fanout else ("", message.target)
        with _failing():
            try:
                self._channel.basic_publish(exchange, key, message.body, properties)
            except pika.exceptions.NackError:
                self._refused.add(message.id)

    def confirm(self) -> set[str]:
        refused, self._refused = self._refused, set()
        return refused

    def consume(self, queue: str, prefetch: int) -> None:
        with _failing():
            if queue == TRANSIENT:
                # It went with the broker that was killed.
                self._channel.queue_declare(queue, durable=False)
            self._channel.basic_qos(prefetch_count=prefetch)
            self._channel.basic_consume(queue, self._deliver, arguments={"x-delivery-count": True})

    def _deliver(self, _channel: object, method: Any, properties: Any, body: bytes) -> None:  # noqa: ANN401
        returns = int((properties.headers or {}).get("x-delivery-count", 0))
        self._came.append(Taken(method.delivery_tag, _id(body), method.redelivered, returns))

    def take(self, wait: float) -> Taken | None:
        if not self._came:
            with _failing():
                self._connection.process_data_events(wait)
        return self._came.popleft() if self._came else None

    @property
    def ways(self) -> tuple[str, ...]:
        return (REQUEUE, REJECT)

    def settle(self, numbers: Sequence[int], how: str) -> None:
        with _failing():
            for number in numbers:
                if how == ACCEPT:
                    self._channel.basic_ack(number)
                else:
                    self._channel.basic_nack(number, requeue=how == REQUEUE)

    def sync(self) -> None:
        with _failing():
            self._channel.basic_publish("", SYNC, b"", PAGE)

    def begin(self) -> None:
        pass  # the channel is always in one

    def commit(self) -> None:
        with _failing():
            try:
                self._channel.tx_commit()
            except pika.exceptions.ChannelClosedByBroker as error:
                raise RolledBackError(str(error)) from error

    def roll_back(self) -> None:
        with _failing():
            self._channel.tx_rollback()

    def close(self) -> str:
        try:
            self._connection.close()
        except (pika.exceptions.AMQPError, OSError) as error:
            return repr(error)
        return ""


@contextlib.contextmanager
def _failing() -> Any:  # noqa: ANN401
    try:
        yield
    except pika.exceptions.AMQPHeartbeatTimeout as error:
        raise Hangs(repr(error)) from error
    except (pika.exceptions.AMQPError, OSError) as error:
        raise Lost(repr(error)) from error


def _id(body: bytes) -> str:
    return body.partition(b" ")[0].decode()
