"""A connection to queues, as ``connect`` returns it."""

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
    """Queues, wherever the URL says that they live. Use it as a context manager, or close it.

    All methods raise TypeError for an argument of the wrong type and ValueError for one out of its range, Closed once
    the connection is closed, and ConnectionLost when the engine is out of reach. Several threads, or tasks, may use one
    connection.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @property
    def capabilities(self) -> Capabilities:
        """The features of this engine. Asking for any other raises UnsupportedFeature before anything is sent."""
        return self._engine.capabilities

    @property
    def native(self) -> object:
        """The library below, for features that only it has: the broker when it is embedded, or pika's connection.

        Raises UnsupportedFeature while another process has the file.
        """
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
        """Make a queue. If it exists with the same options it stays as it is.

        ``durable``: the queue, and the durable messages in it, survive a restart.
        ``max_deliveries``: how often a message is handed out, 1 or more, before it is given up; None: no limit.
        ``dead_letter``: the queue that takes messages that were given up, rejected, pushed out or have expired. It is
        declared as well. None: such messages are dropped.
        ``ttl``: seconds after which a message expires, 0 or more; None: never.
        ``max_length``, ``max_bytes``: how many messages, and bytes of bodies, may be ready; None: no limit.
        ``overflow``: what gives way when the queue is full: ``"drop-oldest"`` the message that has waited longest,
        ``"refuse"`` the new one, whose sender gets ResourceError.
        ``max_priority``: the highest priority that counts, 1 to 255; 0: first in, first out.
        ``expires``: seconds without use after which the queue is deleted; None: never.
        ``single_consumer``: one receiver is served at a time, the next one when it closes.

        Raises PreconditionFailed when the queue exists with other options, and UnsupportedFeature.
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
        """Delete a queue and all messages in it. If there is no such queue nothing happens.

        Raises ResourceLocked when the queue belongs to another connection alone, and AccessRefused.
        """
        check_queue(queue)
        await self._engine.delete(queue).get_async()

    async def count(self, queue: str) -> int:
        """How many messages are ready: neither delayed nor held by a receiver.

        Raises NotFound, and UnsupportedFeature.
        """
        check_queue(queue)
        require_feature(self.capabilities, self.capabilities.count, "count")
        return await self._engine.count(queue).get_async()

    async def peek(self, queue: str, max: int = 1) -> list[Message]:  # noqa: A002
        """The first ready messages, ``max`` at most (1 or more). They stay where they are, for receivers to take.

        Raises NotFound, UnsupportedFeature, and StoreError when the file cannot be read.
        """
        check_queue(queue)
        check_number("max", max, 1)
        require_feature(self.capabilities, self.capabilities.peek, "peek")
        future = await asyncio.to_thread(self._engine.peek, queue, max)
        return await future.get_async()

    async def purge(self, queue: str) -> int:
        """Drop all ready messages; returns how many there were. Delayed messages and those that are held stay.

        Raises NotFound.
        """
        check_queue(queue)
        future = await asyncio.to_thread(self._engine.purge, queue)
        return await future.get_async()

    async def replay(self, source: str, target: str, max: int | None = None) -> int:  # noqa: A002
        """Move ready messages from one queue to another, the oldest first; returns how many were moved.

        For dead letters that are to be tried again: they begin anew, without the headers that record their death.
        ``max``: how many are moved at most, 0 or more; None: as many as are ready now. A crash leaves each message in
        one of the two queues, or in both where ``capabilities.atomic_replay`` is False.

        Raises NotFound, ValueError when both are the same queue, and ResourceError when ``target`` is full: the
        messages that were moved before stay there.
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

        ``body``: bytes, or a ``Message``, which has the options in it already. The options are those of ``Message``:
        ``id``, ``headers``, ``content_type``, ``correlation_id``, ``reply_to``, ``type``, ``priority``, ``ttl``,
        ``delay``, ``group``, ``created_at`` and ``durable``.

        Raises NotFound when there is no such queue, ResourceError when it is full and refuses, StoreError when the disk
        cannot take the message, UnsupportedFeature for an option that the engine would lose, and ConnectionLost when it
        cannot be known whether the message arrived.
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
        """Take messages from a queue: iterate over the receiver, or call its ``receive``.

        ``prefetch``: how many messages it may hold unsettled, 1 or more.
        ``wait``: seconds without a message after which iteration ends, 0 or more; None: it never ends.
        ``lease``: seconds for which a message is held, 0.1 or more. One that is neither settled nor renewed
        (``delivery.renew``) by then goes back to its place in the queue. None: a message is held until it is settled,
        or until the connection is gone.

        Raises UnsupportedFeature for a lease that the engine cannot keep. It subscribes later: NotFound comes then.
        """
        return Receiver(self._engine, queue, prefetch, wait, lease)

    def transaction(self) -> Transaction:
        """Send and accept several messages at once: all or nothing, and on the disk when the block ends.

        Raises UnsupportedFeature. The end of the block raises AlreadySettled, LeaseLost, NotFound, ResourceError and
        StoreError: then nothing was sent, and the deliveries are still held.
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

        The message is accepted when the handler returns. When the handler raises, the error is logged and the message
        comes again later. Until then it waits in its queue or, where the engine cannot do that
        (``capabilities.release_delay``), in this process.

        ``concurrency``: how many messages are handled at a time, 1 to 65,535.
        ``attempts``: the deliveries after which a message is rejected, to the dead letters, 1 or more; None: as many as
        the queue allows.
        ``backoff``, ``backoff_max``: seconds until the second attempt, doubled with each further one up to the maximum.
        ``lease``: seconds, 1 or more. A message is renewed while its handler works on it; if this process does not get
        to do so for that long, the message goes to others. None: no lease.
        ``drain``: seconds that handlers have to finish after the signal. Then what they hold goes back to the queue.
        ``stop``: ends the work when it is set, as a signal does. Signals are heeded in the main thread only.

        Raises NotFound and ConnectionLost: whatever ends receiving ends the worker.
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

        ``timeout``: seconds to wait for it, 0 or more; None: for ever. The options are those of ``send``.

        Raises TimeoutError when no reply came in time, and as ``send`` does.
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

        Nothing happens when nobody waits for it any more. The options are those of ``send``. Raises ValueError when the
        message asks for no reply.
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
        """Close all receivers, which gives back the messages that they hold, and disconnect.

        A second call does nothing. Raises StoreError when what was done last could not be written.
        """
        await asyncio.to_thread(self._engine.close)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()
