"""Management requests over HTTP: the same that also come as messages, with the rights of the user."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping

from batonmq.broker.management.answering import carry_out
from batonmq.broker.management.operations import ManagedOperations
from batonmq.errors import BrokerError, StoreError
from batonmq.management.http.call import Call
from batonmq.management.http.encoding import encode
from batonmq.management.http.responses import Response, Stream
from batonmq.management.slices import Slices

__all__ = ["ask", "ask_queue", "long_answer"]

# The minimum size of a sent piece in octets, except the last.
PIECE = 32 * 1024


async def ask(call: Call, operations: ManagedOperations, operation: str, **fields: object) -> dict[str, object]:
    """The answer, once the change is on the disk.

    Fields that are None are left out. A request that has begun continues even if the client is gone. Raises HttpError,
    BrokerError, StoreError.
    """
    future: asyncio.Future[dict[str, object]] = asyncio.get_running_loop().create_future()

    def reply(answer: dict[str, object]) -> None:
        if not future.done():
            future.set_result(answer)

    def refuse(error: BrokerError | StoreError) -> None:
        if not future.done():
            future.set_exception(error)

    given = {name: value for name, value in fields.items() if value is not None}
    carry_out(operations, operation, given, reply, refuse)
    call.context.parts.broker.on_work()
    return await future


def long_answer(answer: Mapping[str, object]) -> Response:
    """An answer with possibly long lists, created while it is sent, yielding to the loop in between."""
    return Stream(_pieces(answer))


async def _pieces(answer: Mapping[str, object]) -> AsyncIterator[bytes]:
    slices = Slices()
    piece = bytearray(b"{")
    for number, (name, value) in enumerate(answer.items()):
        piece += b"%s%s:" % (b"," if number else b"", encode(name))
        if not isinstance(value, list):
            piece += encode(value)
            continue
        piece += b"["
        for place, item in enumerate(value):
            piece += (b"," if place else b"") + encode(item)
            if len(piece) >= PIECE:
                yield bytes(piece)
                piece.clear()
            if slices.is_over:
                await slices.rest()
        piece += b"]"
    yield bytes(piece + b"}")


async def ask_queue(call: Call, operation: str, **fields: object) -> dict[str, object]:
    """Send a request about the queue that the path names."""
    operations = call.operations(call.vhost())
    return await ask(call, operations, operation, queue=call.path["name"], **fields)
