"""The block in which messages are written to the table."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Self, Unpack

from batonmq.api.options import SendOptions, as_message, require
from batonmq.api.outbox.database import Database
from batonmq.api.outbox.table import INSERT, TABLE, row_of
from batonmq.engines.checks import check_queue
from batonmq.engines.messages import Message, encode_json, encode_msgpack
from batonmq.engines.values import Capabilities

__all__ = ["Outbox"]


class Outbox:
    """Messages that are sent if, and only if, the transaction of the application's own rows is committed.

    If the application has begun a transaction when the block is entered, the block is part of it, and the application
    commits. Otherwise the block begins a transaction, commits it when it ends, and rolls it back when it raises.
    Belongs to the thread that has the database's connection.
    """

    def __init__(self, database: Database, can: Capabilities, when_sent: Callable[[], None]) -> None:
        """``when_sent`` is called when something was committed, or may be soon."""
        self._database = database
        self._can = can
        self._when_sent = when_sent
        self._transaction: AbstractContextManager[object] | None = None
        self._is_open = False
        self._has_sent = False

    def __enter__(self) -> Self:
        self._has_sent = False
        if not self._database.in_transaction:
            self._transaction = self._database.transaction()
            self._transaction.__enter__()
        self._is_open = True
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._is_open = False
        transaction, self._transaction = self._transaction, None
        if transaction is not None:
            transaction.__exit__(kind, error, traceback)
            if kind is None and self._has_sent:
                self._when_sent()
        elif self._has_sent and not self._database.when_committed(self._when_sent):
            self._when_sent()

    def send(self, queue: str, body: bytes | Message, **options: Unpack[SendOptions]) -> str:
        """Write a message that is sent to a queue once the transaction is committed; return its id.

        A message without an id gets one. It goes along as the header ``x-deduplication-header``, by which a queue that
        was declared with ``deduplication=`` takes the message once, however often it is relayed. The options are those
        of ``Connection.send``; a ``delay`` counts from now, a ``ttl`` from when the message is relayed.

        Raises TypeError and ValueError for a wrong option, UnsupportedFeature for one that the engine does not have,
        RuntimeError outside of the block, and what the database raises.
        """
        return self._write(queue, as_message(body, options))

    def send_many(self, queue: str, messages: Iterable[bytes | Message]) -> list[str]:
        """Write several messages; return their ids. Raises the same errors as ``send``."""
        return [self._write(queue, one if isinstance(one, Message) else Message(one)) for one in messages]

    def send_json(self, queue: str, value: object, **options: Unpack[SendOptions]) -> str:
        """Write a message whose body is the value as JSON; return its id. Raises the same errors as ``send``."""
        options.setdefault("content_type", "application/json")
        return self._write(queue, Message(encode_json(value), **options))

    def send_msgpack(self, queue: str, value: object, **options: Unpack[SendOptions]) -> str:
        """Write a message whose body is the value as MessagePack; return its id. Raises the same errors as ``send``."""
        options.setdefault("content_type", "application/msgpack")
        return self._write(queue, Message(encode_msgpack(value), **options))

    def _write(self, queue: str, message: Message) -> str:
        if not self._is_open:
            raise RuntimeError("an outbox takes messages in its block: with mq.outbox(connection) as outbox: ...")
        check_queue(queue)
        require(self._can, message)
        identity, values = row_of(queue, message)
        try:
            self._database.execute(INSERT, values)
        except Exception as error:
            if TABLE in str(error):
                error.add_note(
                    f"BatonMQ: is the table {TABLE} there? batonmq.contrib.outbox.create_table(connection), "
                    "`batonmq outbox create`, or a migration makes it: see docs/outbox.md"
                )
            raise
        self._has_sent = True
        return identity
