"""Management requests of the broker, asked over HTTP: the same that come as messages, with the rights of the user."""

from __future__ import annotations

import asyncio

from batonmq.broker.management.answering import carry_out
from batonmq.broker.management.operations import ManagedOperations
from batonmq.errors import BrokerError, StoreError
from batonmq.management.http.call import Call

__all__ = ["ask", "ask_queue"]


async def ask(call: Call, operations: ManagedOperations, operation: str, **fields: object) -> dict[str, object]:
    """The answer, once what it says is on the disk. Fields that are None are left out.

    What was begun goes on when the client is gone. Raises HttpError, BrokerError, StoreError.
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


async def ask_queue(call: Call, operation: str, **fields: object) -> dict[str, object]:
    """Ask for something about the queue that the path names."""
    operations = call.operations(call.vhost())
    return await ask(call, operations, operation, queue=call.path["name"], **fields)
