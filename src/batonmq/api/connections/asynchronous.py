"""What ``connect`` returns."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from types import TracebackType
from typing import Self, Unpack

from batonmq.api.asynchronous.delivery import Delivery
from batonmq.api.asynchronous.receiver import Receiver
from batonmq.api.asynchronous.transaction import Transaction
from batonmq.api.options import SendOptions, as_message, otherwise_declared, require, require_feature
from batonmq.api.workers.asynchronous import Handler, run_worker
from batonmq.api.workers.policy import WorkerOptions
from batonmq.engines.checks import check_number, check_queue, check_seconds
from batonmq.engines.interface import Engine
from batonmq.engines.messages import Message, encode_json, encode_msgpack
from batonmq.engines.values import Capabilities, Overflow, QueueOptions
from batonmq.errors import PreconditionFailed

__all__ = ["Connection"]

DEFAULT_PREFETCH = 20
# Messages that one commit of a replay moves: about 10 ms.
MOVE_SLICE = 1_000


class Connection:
    """Queues, wherever the URL says that they live. Use it as a context manager, or close it."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @property
    def capabilities(self) -> Capabilities:
        """What this engine can do. What it cannot raises UnsupportedFeature before anything is sent."""
        return self._engine.capabilities

    @property
    def native(self) -> object:
        """The library below, for what only it can do."""
        return self._engine.native

    # ------------------------------------------------------------------ queues

    async def declare(
        self,
        queue: str,
        *,
        durable: bool = True,
        max_deliveries: int | None = None,
        dead_letter: str | None = None,
        ttl: float | None = None,
        max_length: int | None = None,
        max_bytes: int | None = None,
        overflow: Overflow = "drop-oldest",
        max_priority: int = 0,
        expires: float | None = None,
        single_consumer: bool = False,
    ) -> None:
        """Make a queue; one that is there with the same options stays as it is.

        ``durable``: it outlives a restart. ``max_deliveries``: how often a message is handed out at most before it goes
        to ``dead_letter``, a queue that is declared along with this one; so does what was rejected, has expired or was
        pushed out. ``ttl``: seconds after which a message expires. ``max_length``, ``max_bytes``: how much may be
        ready; beyond, the oldest gives way, or with ``overflow="refuse"`` sending raises ResourceError.
        ``max_priority``: 1 to 255 for a queue that heeds priorities. ``expires``: seconds without use after which the
        queue is deleted. ``single_consumer``: one receiver is served at a time.

        Raises PreconditionFailed when the queue exists with other options, TypeError, ValueError, UnsupportedFeature.
        """
        check_queue(queue)
        options = QueueOptions(
            durable=durable,
            max_deliveries=max_deliveries,
            dead_letter=dead_letter,
            ttl=ttl,
            max_length=max_length,
            max_bytes=max_bytes,
            overflow=overflow,
            max_priority=max_priority,
            expires=expires,
            single_consumer=single_consumer,
        )
        if dead_letter == queue:
            raise ValueError(f"queue '{queue}' cannot take its own dead letters: name another queue")
        can = self.capabilities
        require_feature(can, can.max_deliveries or max_deliveries is None, "max_deliveries")
        require_feature(can, can.ttl or ttl is None, "ttl")
        require_feature(can, can.priority or not max_priority, "priority")
        try:
            await self._engine.declare(queue, options).get_async()
        except PreconditionFailed as error:
            raise PreconditionFailed(otherwise_declared(queue, str(error))) from None

    async def delete(self, queue: str) -> None:
        """Delete a queue with everything in it; one that is not there is deleted already."""
        check_queue(queue)
        await self._engine.delete(queue).get_async()

    async def count(self, queue: str) -> int:
        """How many messages are ready: not in anybody's hands. Raises NotFound."""
        check_queue(queue)
        require_feature(self.capabilities, self.capabilities.count, "count")
        return await self._engine.count(queue).get_async()

    async def peek(self, queue: str, max: int = 1) -> list[Message]:  # noqa: A002
        """The first ready messages, which stay where they are. Raises NotFound, UnsupportedFeature."""
        check_queue(queue)
        check_number("max", max, 1)
        require_feature(self.capabilities, self.capabilities.peek, "peek")
        future = await asyncio.to_thread(self._engine.peek, queue, max)
        return await future.get_async()

    async def purge(self, queue: str) -> int:
        """Drop everything that is ready; tells how many messages that were. Raises NotFound."""
        check_queue(queue)
        future = await asyncio.to_thread(self._engine.purge, queue)
        return await future.get_async()

    async def replay(self, source: str, target: str, max: int | None = None) -> int:  # noqa: A002
        """Send what is ready in one queue, up to ``max``, to another, the oldest first; tells how many messages went.

        For dead letters that should be tried again: they start anew, without a record of their death. Raises
        NotFound, ResourceError; see ``capabilities.atomic_replay``.
        """
        check_queue(source, "source")
        check_queue(target, "target")
        if max is not None:
            check_number("max", max, 0)
        if source == target:
            raise ValueError("a queue cannot be replayed into itself")
        most = await self._engine.count(source).get_async() if max is None else max
        moved = 0
        while moved < most:
            future = await asyncio.to_thread(self._engine.move, source, target, min(MOVE_SLICE, most - moved))
            count = await future.get_async()
            moved += count
            if not count:
                break
        return moved

    # ------------------------------------------------------------------ sending

    async def send(self, queue: str, body: bytes | Message, **options: Unpack[SendOptions]) -> None:
        """Send a message, and return when it is safe: a durable one in a durable queue is on the disk.

        Raises NotFound when there is no such queue, ResourceError when it is full and refuses, StoreError when the disk
        cannot take it, UnsupportedFeature, ConnectionLost when it cannot be known whether it arrived.
        """
        await self._send(queue, [as_message(body, options)])

    async def send_many(self, queue: str, messages: Iterable[bytes | Message]) -> None:
        """Send messages in one commit, and return when all are safe. Raises as ``send`` does."""
        batch = [one if isinstance(one, Message) else Message(one) for one in messages]
        if batch:
            await self._send(queue, batch)

    async def send_json(self, queue: str, value: object, **options: Unpack[SendOptions]) -> None:
        """Send a value as JSON: ``delivery.message.json()`` reads it. Raises TypeError, and as ``send`` does."""
        options.setdefault("content_type", "application/json")
        await self._send(queue, [Message(encode_json(value), **options)])

    async def send_msgpack(self, queue: str, value: object, **options: Unpack[SendOptions]) -> None:
        """Send a value as MessagePack: ``delivery.message.msgpack()`` reads it. Raises as ``send_json`` does."""
        options.setdefault("content_type", "application/msgpack")
        await self._send(queue, [Message(encode_msgpack(value), **options)])

    async def _send(self, queue: str, messages: list[Message]) -> None:
        check_queue(queue)
        for message in messages:
            require(self.capabilities, message)
        await self._engine.send(queue, messages).get_async()

    # ------------------------------------------------------------------ receiving

    def receiver(
        self, queue: str, *, prefetch: int = DEFAULT_PREFETCH, wait: float | None = None, lease: float | None = None
    ) -> Receiver:
        """Take messages from a queue.

        ``prefetch`` bounds how many it holds unsettled. Iteration ends when no message came for ``wait`` seconds;
        None: it goes on for ever. With a ``lease``, in seconds from 0.1 on, what is neither settled nor renewed
        (``delivery.renew``) in that time goes back to its place, for others; None: it is held until it is settled, or
        the connection is gone.

        Raises ValueError, UnsupportedFeature.
        """
        return Receiver(self._engine, queue, prefetch, wait, lease)

    def transaction(self) -> Transaction:
        """Send and accept several messages at once, all or nothing, on the disk when the block ends.

        Raises UnsupportedFeature.
        """
        require_feature(self.capabilities, self.capabilities.transactions, "transactions")
        return Transaction(self._engine)

    async def run(
        self,
        queue: str,
        handler: Handler,
        *,
        concurrency: int = 1,
        attempts: int | None = None,
        backoff: float = 1.0,
        backoff_max: float = 60.0,
        lease: float | None = None,
        drain: float = 25.0,
        stop: asyncio.Event | None = None,
    ) -> None:
        """Call a handler for each message of a queue, until SIGTERM, SIGINT or ``stop``.

        The message is accepted when the handler returns. When it raises, that is logged, and the message comes again
        after ``backoff`` seconds, doubled with each delivery up to ``backoff_max``; until then it waits in its queue,
        or, where the engine cannot do that (``capabilities.release_delay``), in these hands. After ``attempts``
        deliveries it is rejected, to the dead letters. ``concurrency`` messages are worked on at once. With a
        ``lease``, in seconds from 1 on, a message is renewed while its handler is at work; when this process has not
        done so for as long, whatever the reason, it goes to others.

        When it is told to stop it takes no more messages, and gives handlers ``drain`` seconds; what they hold then
        goes back to the queue. Signals are heeded in the main thread only.

        Raises NotFound, ConnectionLost: what ends receiving ends the worker.
        """
        options = WorkerOptions(
            concurrency=concurrency,
            attempts=attempts,
            backoff=backoff,
            backoff_max=backoff_max,
            lease=lease,
            drain=drain,
        )
        receiver = self.receiver(queue, prefetch=concurrency, lease=lease)
        await run_worker(receiver, handler, options, stop)

    # ------------------------------------------------------------------ request and reply

    async def request(
        self,
        queue: str,
        body: bytes | Message,
        *,
        timeout: float | None = 30.0,  # noqa: ASYNC109
        **options: Unpack[SendOptions],
    ) -> Message:
        """Send a message and return the reply, which comes straight here, through no queue.

        Raises TimeoutError when none came within ``timeout`` seconds (None: wait for ever), NotFound.
        """
        check_queue(queue)
        if timeout is not None:
            check_seconds("timeout", timeout)
        message = as_message(body, options)
        require(self.capabilities, message)
        future = self._engine.request(queue, message)
        try:
            if not await future.wait_async(timeout):
                raise TimeoutError(f"no reply from queue '{queue}' within {timeout} s")
        finally:
            self._engine.forget(future)
        return future.result()

    async def reply(self, request: Delivery | Message, body: bytes | Message, **options: Unpack[SendOptions]) -> None:
        """Answer a message that was sent with ``request`` or with ``reply_to``; carries its correlation id.

        Does nothing when nobody waits any more. Raises ValueError when the message asks for no reply.
        """
        asked = request if isinstance(request, Message) else request.message
        if asked.reply_to is None:
            raise ValueError("the message asks for no reply: it has no reply_to")
        message = as_message(body, options)
        if message.correlation_id is None and asked.correlation_id is not None:
            properties = message.properties.replace(correlation_id=asked.correlation_id)
            message = Message.received(message.body, properties)
        await self._engine.reply(asked, message).get_async()

    # ------------------------------------------------------------------ the end

    async def close(self) -> None:
        """Close all receivers, which gives back what they hold, and let go. A second call does nothing."""
        await asyncio.to_thread(self._engine.close)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()
