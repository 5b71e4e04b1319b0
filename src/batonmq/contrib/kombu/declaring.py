"""The part of a channel that declares, binds and deletes, as py-amqp's channel does."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any, NamedTuple

from amqp import exceptions as amqp_errors
from kombu.transport.base import to_rabbitmq_queue_arguments

from batonmq.contrib.kombu.errors import translated
from batonmq.engines.exchanges import (
    Bind,
    Change,
    DeclareExchange,
    DeclareQueue,
    DeleteExchange,
    DeleteQueue,
    Exchanges,
    LookUpExchange,
    LookUpQueue,
    Standing,
    Unbind,
    packed,
)
from batonmq.errors import PreconditionFailed

__all__ = ["Declaring", "QueueDeclared"]

# In kombu's brokerless transports every queue has priorities from 0 to 9, and applications count on it.
MAX_PRIORITY = "x-max-priority"
PRIORITY = {MAX_PRIORITY: 9}
EXPIRES = "x-expires"
# An auto-delete queue expires after an hour without use, in milliseconds: a process that is killed cancels nothing.
FORGOTTEN = 3600_000


class QueueDeclared(NamedTuple):
    """queue.declare-ok."""

    queue: str
    message_count: int
    consumer_count: int


class Declaring:
    """All declarations are kept in the file: any process that shares it may be the next to exit.

    A temporary queue (``auto_delete``, ``exclusive``) is deleted when its consumer is cancelled, and expires.
    """

    def __init__(self, exchanges: Exchanges, temporary: set[str]) -> None:
        """``temporary``: the names of the queues to delete with their last consumer."""
        self._exchanges = exchanges
        self._temporary = temporary

    def _change(self, change: Change, *, flushed: bool) -> Standing:
        with translated():
            return self._exchanges.change(change, flushed=flushed).get()

    def prepare_queue_arguments(self, arguments: Mapping[str, Any] | None, **options: Any) -> dict[str, Any]:
        """kombu's options of a queue as RabbitMQ's arguments."""
        return to_rabbitmq_queue_arguments(arguments or {}, **options)  # type: ignore[no-any-return]

    # ------------------------------------------------------------------ exchanges

    def exchange_declare(
        self,
        exchange: str,
        type: str = "direct",  # noqa: A002  (py-amqp's names, in all of this)
        passive: bool = False,
        durable: bool = False,
        auto_delete: bool = False,
        nowait: bool = False,
        arguments: Mapping[str, Any] | None = None,
        **_: Any,
    ) -> None:
        """exchange.declare. Raises NotFound (passive), PreconditionFailed."""
        if passive:
            self._change(LookUpExchange(exchange), flushed=False)
            return
        self._change(DeclareExchange(exchange, type, auto_delete, packed(arguments or {})), flushed=durable)

    def exchange_delete(self, exchange: str, if_unused: bool = False, nowait: bool = False, **_: Any) -> None:
        """exchange.delete. Raises PreconditionFailed when it is in use."""
        self._change(DeleteExchange(exchange, if_unused), flushed=True)

    def exchange_bind(
        self,
        destination: str,
        source: str = "",
        routing_key: str = "",
        nowait: bool = False,
        arguments: Mapping[str, Any] | None = None,
        **_: Any,
    ) -> None:
        """exchange.bind. Raises NotFound."""
        bind = Bind(source, destination, routing_key or "", packed(arguments or {}), to_exchange=True)
        self._change(bind, flushed=True)

    def exchange_unbind(
        self,
        destination: str,
        source: str = "",
        routing_key: str = "",
        nowait: bool = False,
        arguments: Mapping[str, Any] | None = None,
        **_: Any,
    ) -> None:
        """exchange.unbind."""
        unbind = Unbind(source, destination, routing_key or "", packed(arguments or {}), to_exchange=True)
        self._change(unbind, flushed=True)

    # ------------------------------------------------------------------ queues

    def queue_declare(
        self,
        queue: str = "",
        passive: bool = False,
        durable: bool = False,
        exclusive: bool = False,
        auto_delete: bool = False,
        nowait: bool = False,
        arguments: Mapping[str, Any] | None = None,
        **_: Any,
    ) -> QueueDeclared:
        """queue.declare. Raises NotFound (passive), PreconditionFailed."""
        if passive:
            return QueueDeclared(queue, *self._change(LookUpQueue(queue), flushed=False))
        queue = queue or f"kombu.gen-{uuid.uuid4()}"
        wanted = dict(arguments or {})
        if auto_delete or exclusive:
            expires = wanted.get(EXPIRES)
            wanted[EXPIRES] = FORGOTTEN if expires is None else min(int(expires), FORGOTTEN)
            standing = self._change(DeclareQueue(queue, packed(wanted)), flushed=False)
            self._temporary.add(queue)
        else:
            standing = self._declare_for_long(queue, wanted, flushed=durable)
        return QueueDeclared(queue, *standing)

    def _declare_for_long(self, queue: str, wanted: dict[str, Any], *, flushed: bool) -> Standing:
        refused: PreconditionFailed | None = None
        if not wanted.keys() & PRIORITY.keys():
            try:
                return self._exchanges.change(
                    DeclareQueue(queue, packed({**wanted, **PRIORITY})), flushed=flushed
                ).get()
            except PreconditionFailed as error:
                # Somebody else may have declared the queue without priorities.
                refused = error
        try:
            return self._change(DeclareQueue(queue, packed(wanted)), flushed=flushed)
        except amqp_errors.PreconditionFailed as error:
            why = error.reply_text
            if refused is not None and MAX_PRIORITY in why:
                # The queue does have priorities, which the caller did not ask for: something else differs.
                why = str(refused)
            raise amqp_errors.PreconditionFailed(
                f"{why}; a queue keeps the arguments that it was declared with first: delete it "
                f"(`batonmq queues delete {queue}`) to have it declared anew"
            ) from error

    def queue_delete(
        self, queue: str = "", if_unused: bool = False, if_empty: bool = False, nowait: bool = False, **_: Any
    ) -> int:
        """queue.delete; returns how many messages were ready. PreconditionFailed when it is in use or has messages."""
        self._temporary.discard(queue)
        return self._change(DeleteQueue(queue, if_unused, if_empty), flushed=True).messages

    def queue_bind(
        self,
        queue: str,
        exchange: str = "",
        routing_key: str = "",
        nowait: bool = False,
        arguments: Mapping[str, Any] | None = None,
        **_: Any,
    ) -> None:
        """queue.bind. Raises NotFound."""
        # Each queue is bound to the default exchange, by its name and nothing else (AMQP 0-9-1 section 3.1.3.1).
        if exchange:
            bind = Bind(exchange, queue, routing_key or "", packed(arguments or {}))
            self._change(bind, flushed=queue not in self._temporary)

    def queue_unbind(
        self,
        queue: str,
        exchange: str = "",
        routing_key: str = "",
        nowait: bool = False,
        arguments: Mapping[str, Any] | None = None,
        **_: Any,
    ) -> None:
        """queue.unbind."""
        if exchange:
            unbind = Unbind(exchange, queue, routing_key or "", packed(arguments or {}))
            self._change(unbind, flushed=queue not in self._temporary)
