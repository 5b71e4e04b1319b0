"""Several messages sent and accepted at once: all or nothing."""

from __future__ import annotations

from types import TracebackType
from typing import Self, Unpack

from batonmq.api.asynchronous.delivery import Delivery
from batonmq.api.options import SendOptions, as_message, require
from batonmq.api.telling import Telling
from batonmq.engines.checks import check_queue
from batonmq.engines.interface import Engine
from batonmq.engines.messages import Message

__all__ = ["Transaction"]


class Transaction:
    """A context manager. Everything happens when its block ends, or nothing at all if the block raises.

    The end of the block raises AlreadySettled, LeaseLost when a message is no longer held, NotFound when a queue does
    not exist, ResourceError when a queue is full, and StoreError. Then nothing was sent, and the deliveries are still
    held.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._sends: list[tuple[str, Message]] = []
        self._accepts: list[Delivery] = []

    def send(self, queue: str, body: bytes | Message, **options: Unpack[SendOptions]) -> None:
        """Send a message when the block ends. The arguments and errors are those of ``Connection.send``."""
        check_queue(queue)
        message = as_message(body, options)
        require(self._engine.capabilities, message)
        self._sends.append((queue, message))

    def accept(self, delivery: Delivery) -> None:
        """Accept the delivery when the block ends."""
        self._accepts.append(delivery)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is None:
            await self._commit()

    async def _commit(self) -> None:
        """Commit: on the disk on return. Raises AlreadySettled, LeaseLost, NotFound, ResourceError, StoreError."""
        taken: list[Delivery] = []
        settlements = []
        try:
            for delivery in self._accepts:
                settlements.append(delivery._in_transaction())
                taken.append(delivery)
            with Telling(self._engine, self._queue()):
                await self._engine.transact(self._sends, settlements).get_async()
        except BaseException:
            for delivery in taken:
                delivery._not_settled()
            raise

    def _queue(self) -> str:
        """The queue that an error is about, if there is only one."""
        queues = {queue for queue, _ in self._sends} | {delivery.queue for delivery in self._accepts}
        return queues.pop() if len(queues) == 1 else ""
