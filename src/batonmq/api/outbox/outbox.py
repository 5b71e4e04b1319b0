"""The block in which messages are written to the table."""

from __future__ import annotations

from collections.abc import Iterable
from types import TracebackType
from typing import Self, Unpack

from batonmq.api.options import SendOptions, as_message, require
from batonmq.api.outbox.table import row_of
from batonmq.api.outbox.writing import AsyncWriting, Writing
from batonmq.engines.checks import check_queue
from batonmq.engines.messages import Message, encode_json, encode_msgpack
from batonmq.engines.values import Capabilities

__all__ = ["Outbox"]


class Outbox:
    """Messages that are sent if, and only if, the transaction with the application's rows is committed.

    If the application has begun a transaction when the block is entered, the block is part of it, and the application
    commits. Otherwise the block begins a transaction, commits it when it ends, and rolls it back when it raises.
    Belongs to the thread, or task, that has the database's connection. An asynchronous connection takes ``async with``:
    messages are then written when the block ends, and only that is awaited.
    """

    def __init__(self, writing: Writing | AsyncWriting, can: Capabilities) -> None:
        self._writing = writing
        self._can = can
        self._is_open = False

    def __enter__(self) -> Self:
        if not isinstance(self._writing, Writing):
            raise TypeError("the connection is asynchronous: async with mq.outbox(connection) as outbox: ...")
        self._writing.begin()
        self._is_open = True
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        assert isinstance(self._writing, Writing)
        self._is_open = False
        self._writing.end(error)

    async def __aenter__(self) -> Self:
        if not isinstance(self._writing, AsyncWriting):
            raise TypeError("the connection is synchronous: with mq.outbox(connection) as outbox: ...")
        await self._writing.begin()
        self._is_open = True
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        assert isinstance(self._writing, AsyncWriting)
        self._is_open = False
        await self._writing.end(error)

    def send(self, queue: str, body: bytes | Message, **options: Unpack[SendOptions]) -> str:
        """Write a message that is sent to a queue once the transaction is committed; return its id.

        A message without an id gets one. The id is also sent as the header ``x-deduplication-header``: a queue declared
        with ``deduplication=`` then takes the message once, however often it is relayed. The options are those of
        ``Connection.send``; a ``delay`` counts from now, a ``ttl`` from when the message is relayed.

        Raises TypeError and ValueError for a wrong option, UnsupportedFeature for one that the engine does not have,
        RuntimeError outside of the block, and the database's errors, which an asynchronous connection raises when the
        block ends.
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
        self._writing.write(values)
        return identity
