"""Queues, exchanges and bindings of AMQP 0-9-1, and sending to an exchange, which other engines do not have."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from pika.channel import Channel
from pika.frame import Method

from batonmq.engines.amqp.product import Product
from batonmq.engines.amqp.publisher import Publisher
from batonmq.engines.futures import Future
from batonmq.engines.messages import Message
from batonmq.fields import FieldValue

__all__ = ["Topology"]

Arguments: TypeAlias = Mapping[str, FieldValue]
# Sends a request on a channel of its own; a refusal fails the future.
Ask: TypeAlias = Callable[[Callable[[Any], None], Future[Any]], None]


class Topology:
    """Declares exchanges, queues and bindings, with arguments unchanged. Futures fail with the broker's error."""

    def __init__(self, ask: Ask, publisher: Publisher, product: Product) -> None:
        self._ask = ask
        self._publisher = publisher
        self.product = product
        """The broker at the other end."""

    def declare_queue(
        self, name: str, *, durable: bool = True, auto_delete: bool = False, arguments: Arguments | None = None
    ) -> Future[str]:
        """queue.declare (1.7.2.1); resolves with the name. NotFound, PreconditionFailed, AccessRefused."""
        return self._declared(
            lambda channel, done: channel.queue_declare(
                name, durable=durable, auto_delete=auto_delete, arguments=dict(arguments or {}), callback=done
            )
        )

    def declare_own_queue(self, arguments: Arguments | None = None) -> Future[str]:
        """An exclusive queue with a name chosen by the broker; it is deleted with the connection."""
        return self._declared(
            lambda channel, done: channel.queue_declare(
                "", exclusive=True, arguments=dict(arguments or {}), callback=done
            )
        )

    def require_queue(self, name: str) -> Future[str]:
        """Fails with NotFound when there is no such queue."""
        return self._declared(lambda channel, done: channel.queue_declare(name, passive=True, callback=done))

    def _declared(self, declare: Callable[[Channel, Callable[[Method], None]], None]) -> Future[str]:
        future: Future[str] = Future()

        def ask(channel: Channel) -> None:
            declare(channel, lambda frame: _finish(channel, future, str(frame.method.queue)))

        self._ask(ask, future)
        return future

    def declare_exchange(
        self,
        name: str,
        kind: str,
        *,
        durable: bool = True,
        auto_delete: bool = False,
        internal: bool = False,
        arguments: Arguments | None = None,
    ) -> Future[None]:
        """exchange.declare (1.6.2.1). PreconditionFailed, AccessRefused, NotAllowed."""
        future: Future[None] = Future()

        def ask(channel: Channel) -> None:
            channel.exchange_declare(
                name,
                kind,
                durable=durable,
                auto_delete=auto_delete,
                internal=internal,
                arguments=dict(arguments or {}),
                callback=lambda _frame: _finish(channel, future, None),
            )

        self._ask(ask, future)
        return future

    def bind(
        self, source: str, destination: str, key: str = "", arguments: Arguments | None = None, *, to_queue: bool = True
    ) -> Future[None]:
        """queue.bind (1.7.2.3), or RabbitMQ's exchange.bind. NotFound, AccessRefused."""
        future: Future[None] = Future()

        def ask(channel: Channel) -> None:
            given = dict(arguments or {})
            if to_queue:
                channel.queue_bind(
                    destination, source, key, arguments=given, callback=lambda _frame: _finish(channel, future, None)
                )
            else:
                channel.exchange_bind(
                    destination, source, key, arguments=given, callback=lambda _frame: _finish(channel, future, None)
                )

        self._ask(ask, future)
        return future

    def publish(self, exchange: str, key: str, messages: Sequence[Message]) -> Future[None]:
        """Send messages to an exchange; resolved when all are confirmed. A message that leads nowhere is no error."""
        return self._publisher.send(key, messages, mandatory=False, exchange=exchange)


def _finish(channel: Channel, future: Future[Any], value: object) -> None:
    future.resolve(value)
    if channel.is_open:
        channel.close()
