"""The embedded engine for event loops."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from batonmq.engines.asynchronous import Engine, Settlement, Subscription
from batonmq.engines.embedded.backend import Backend, Receiving, give_back
from batonmq.engines.embedded.capabilities import require
from batonmq.engines.values import Capabilities, Incoming, Message, QueueOptions

__all__ = ["EmbeddedEngine", "EmbeddedSubscription"]

# Messages that one turn of a replay moves: about 10 ms.
MOVE_SLICE = 1_000


class EmbeddedSubscription(Subscription):
    """Takes messages for one event loop."""

    __slots__ = ("receiving",)

    def __init__(self, receiving: Receiving) -> None:
        self.receiving = receiving

    async def receive(self, most: int, wait: float | None) -> list[Incoming]:
        ticket = self.receiving.receive(most)
        if ticket.done:
            return ticket.result()
        try:
            if not await ticket.wait_async(wait):
                self.receiving.withdraw(ticket)
            return await ticket.get_async()
        except BaseException:
            give_back(self.receiving, ticket)
            raise

    async def accept(self, incoming: Incoming) -> None:
        self.receiving.settle(incoming, "accept")

    async def release(self, incoming: Incoming) -> None:
        self.receiving.settle(incoming, "release")

    async def reject(self, incoming: Incoming, reason: str) -> None:
        self.receiving.settle(incoming, "reject", reason)

    async def close(self) -> None:
        self.receiving.close()


class EmbeddedEngine(Engine):
    """See the module."""

    def __init__(self, backend: Backend, capabilities: Capabilities) -> None:
        self._backend = backend
        self.capabilities = capabilities

    @property
    def native(self) -> object:
        return self._backend.native

    async def declare(self, queue: str, options: QueueOptions) -> None:
        await self._backend.declare(queue, options).get_async()

    async def delete(self, queue: str) -> None:
        await self._backend.delete(queue).get_async()

    async def send(self, queue: str, messages: Sequence[Message]) -> None:
        for message in messages:
            if message.delay or message.group is not None:
                require(message)
        await self._backend.send(queue, messages).get_async()

    async def subscribe(self, queue: str, prefetch: int) -> EmbeddedSubscription:
        return EmbeddedSubscription(self._backend.subscribe(queue, prefetch))

    async def peek(self, queue: str, most: int) -> list[Message]:
        return await asyncio.to_thread(self._backend.peek, queue, most)

    async def count(self, queue: str) -> int:
        return self._backend.count(queue)

    async def purge(self, queue: str) -> int:
        ticket = await asyncio.to_thread(self._backend.purge, queue)
        return await ticket.get_async()

    async def move(self, source: str, target: str, most: int | None) -> int:
        limit = self._backend.count(source) if most is None else most
        moved = 0
        while moved < limit:
            ticket = await asyncio.to_thread(self._backend.move_some, source, target, min(MOVE_SLICE, limit - moved))
            count = await ticket.get_async()
            moved += count
            if not count:
                break
        return moved

    async def transact(self, sends: Sequence[tuple[str, Message]], accepts: Sequence[Settlement]) -> None:
        for _, message in sends:
            require(message)
        held = [(through.receiving, one) for through, one in accepts if isinstance(through, EmbeddedSubscription)]
        await self._backend.transact(sends, held).get_async()

    async def request(self, queue: str, message: Message, timeout: float | None) -> Message:  # noqa: ASYNC109
        ticket = self._backend.request(queue, require(message))
        try:
            if not await ticket.wait_async(timeout):
                raise TimeoutError(f"no reply from queue '{queue}' within {timeout} s")
        finally:
            self._backend.forget(ticket)
        return ticket.result()

    async def reply(self, request: Message, message: Message) -> None:
        await self._backend.reply(request, require(message)).get_async()

    async def close(self) -> None:
        await asyncio.to_thread(self._backend.close)
