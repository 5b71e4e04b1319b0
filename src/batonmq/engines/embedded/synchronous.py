# Generated from engines/embedded/asynchronous.py by scripts/unasync.py: change that file instead.
"""The embedded engine for threads."""

from __future__ import annotations

from collections.abc import Sequence

from batonmq.engines.embedded.backend import Backend, Receiving, give_back
from batonmq.engines.embedded.capabilities import require
from batonmq.engines.synchronous import Engine, Settlement, Subscription
from batonmq.engines.values import Capabilities, Incoming, Message, QueueOptions

__all__ = ["EmbeddedEngine", "EmbeddedSubscription"]

# Messages that one turn of a replay moves: about 10 ms.
MOVE_SLICE = 1_000


class EmbeddedSubscription(Subscription):
    """Takes messages for threads."""

    __slots__ = ("receiving",)

    def __init__(self, receiving: Receiving) -> None:
        self.receiving = receiving

    def receive(self, most: int, wait: float | None) -> list[Incoming]:
        ticket = self.receiving.receive(most)
        if ticket.done:
            return ticket.result()
        try:
            if not ticket.wait(wait):
                self.receiving.withdraw(ticket)
            return ticket.get()
        except BaseException:
            give_back(self.receiving, ticket)
            raise

    def accept(self, incoming: Incoming) -> None:
        self.receiving.settle(incoming, "accept")

    def release(self, incoming: Incoming) -> None:
        self.receiving.settle(incoming, "release")

    def reject(self, incoming: Incoming, reason: str) -> None:
        self.receiving.settle(incoming, "reject", reason)

    def close(self) -> None:
        self.receiving.close()


class EmbeddedEngine(Engine):
    """See the module."""

    def __init__(self, backend: Backend, capabilities: Capabilities) -> None:
        self._backend = backend
        self.capabilities = capabilities

    @property
    def native(self) -> object:
        return self._backend.native

    def declare(self, queue: str, options: QueueOptions) -> None:
        self._backend.declare(queue, options).get()

    def delete(self, queue: str) -> None:
        self._backend.delete(queue).get()

    def send(self, queue: str, messages: Sequence[Message]) -> None:
        for message in messages:
            if message.delay or message.group is not None:
                require(message)
        self._backend.send(queue, messages).get()

    def subscribe(self, queue: str, prefetch: int) -> EmbeddedSubscription:
        return EmbeddedSubscription(self._backend.subscribe(queue, prefetch))

    def peek(self, queue: str, most: int) -> list[Message]:
        return self._backend.peek(queue, most)

    def count(self, queue: str) -> int:
        return self._backend.count(queue)

    def purge(self, queue: str) -> int:
        ticket = self._backend.purge(queue)
        return ticket.get()

    def move(self, source: str, target: str, most: int | None) -> int:
        limit = self._backend.count(source) if most is None else most
        moved = 0
        while moved < limit:
            ticket = self._backend.move_some(source, target, min(MOVE_SLICE, limit - moved))
            count = ticket.get()
            moved += count
            if not count:
                break
        return moved

    def transact(self, sends: Sequence[tuple[str, Message]], accepts: Sequence[Settlement]) -> None:
        for _, message in sends:
            require(message)
        held = [(through.receiving, one) for through, one in accepts if isinstance(through, EmbeddedSubscription)]
        self._backend.transact(sends, held).get()

    def request(self, queue: str, message: Message, timeout: float | None) -> Message:
        ticket = self._backend.request(queue, require(message))
        try:
            if not ticket.wait(timeout):
                raise TimeoutError(f"no reply from queue '{queue}' within {timeout} s")
        finally:
            self._backend.forget(ticket)
        return ticket.result()

    def reply(self, request: Message, message: Message) -> None:
        self._backend.reply(request, require(message)).get()

    def close(self) -> None:
        self._backend.close()
