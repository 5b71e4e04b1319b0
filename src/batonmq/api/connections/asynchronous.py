"""The connection that ``connect`` returns.

The file is longer than most: every call of the API is a method of one class, with its meaning, units and errors.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from types import TracebackType
from typing import Self, Unpack

from batonmq.api.asynchronous.delivery import Delivery
from batonmq.api.asynchronous.receiver import Receiver
from batonmq.api.asynchronous.traced import TracedReceiver
from batonmq.api.asynchronous.transaction import Transaction
from batonmq.api.options import SendOptions, as_message, otherwise_declared, require, require_feature, require_options
from batonmq.api.outbox.outbox import Outbox
from batonmq.api.outbox.relaying import Relaying
from batonmq.api.telling import Telling, told
from batonmq.api.workers.asynchronous import run_worker
from batonmq.api.workers.policy import Backoff, WorkerOptions, backoff_of
from batonmq.engines.checks import check_number, check_queue, check_seconds
from batonmq.engines.figures import QueueInfo, QueueStats
from batonmq.engines.interface import Engine
from batonmq.engines.messages import Message, encode_json, encode_msgpack, received_message
from batonmq.engines.values import Capabilities, Overflow, QueueOptions
from batonmq.errors import BatonError, PreconditionFailed

__all__ = ["Connection"]

DEFAULT_PREFETCH = 20
# Messages that one commit of a replay moves: about 10 ms.
MOVE_SLICE = 1_000


class Connection:
    """A connection to the queues at a URL. Use it as a context manager, or call ``close``.

    All methods raise TypeError for an argument of the wrong type, ValueError for one out of its range, Closed once the
    connection is closed, and ConnectionLost when the engine cannot be reached. Several threads, or tasks, may share one
    connection. All times are in seconds.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        # Looked at once: without a tracer provider nothing below knows of spans.
        self._receiver: type[Receiver] = TracedReceiver if engine.is_traced else Receiver
        self._relaying = Relaying(engine)

    @property
    def capabilities(self) -> Capabilities:
        """The features of this engine. Using any other raises UnsupportedFeature before anything is sent."""
        return self._engine.capabilities

    @property
    def native(self) -> object:
        """The underlying object, for features that only it has: the embedded broker, or pika's connection.

        Raises UnsupportedFeature while another process owns the file.
        """
        with Telling(self._engine):
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
        retry_delay: float | None = None,
        retry_delay_max: float | None = None,
        deduplication: float | None = None,
    ) -> None:
        """Create a queue. If it exists with the same options, nothing changes.

        ``durable``: the queue, and the durable messages in it, survive a restart.
        ``max_deliveries``: how often a message may be delivered, 1 or more, before it becomes a dead letter; None: no
        limit.
        ``dead_letter``: the queue that receives messages that were rejected, dropped because the queue was full,
        delivered too often, or have expired. It is created too. None: such messages are discarded.
        ``ttl``: seconds after which a message expires, 0 or more; None: never.
        ``max_length``, ``max_bytes``: how many messages, and bytes of bodies, may be ready, 0 or more; None: no limit.
        ``overflow``: what happens when the queue is full. ``"drop-oldest"`` drops the message that has waited longest;
        ``"refuse"`` refuses the new one, and its sender gets ResourceError.
        ``max_priority``: the highest priority, 1 to 255; 0: the queue ignores priorities.
        ``expires``: seconds without use after which the queue is deleted, 0 or more; None: never.
        ``single_consumer``: only one receiver gets messages at a time; when it closes, the next one takes over.
        ``retry_delay``: seconds, 0 or more, before a message that was released without a delay, or lost with its
        receiver, is delivered again: once, twice, three times as long, and so on; None: at once.
        ``retry_delay_max``: the longest such delay, not less than ``retry_delay``; None: it does not grow.
        ``deduplication``: seconds for which the queue remembers the key of a message, its header
        ``x-deduplication-header``: another message with that key is dropped. An outbox sends the id of a message as its
        key. None: the queue takes all.

        Raises PreconditionFailed when the queue exists with other options, and UnsupportedFeature for an option that
        the engine does not have.
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
            retry_delay=retry_delay,
            retry_delay_max=retry_delay_max,
            deduplication=deduplication,
        )
        if dead_letter == queue:
            raise ValueError(f"queue '{queue}' cannot take its own dead letters: name another queue")
        require_options(self.capabilities, options)
        try:
            with Telling(self._engine, queue):
                await self._engine.declare(queue, options).get_async()
        except PreconditionFailed as error:
            raise PreconditionFailed(otherwise_declared(queue, str(error))) from None

    async def delete(self, queue: str) -> None:
        """Delete a queue and all messages in it. If the queue does not exist, nothing happens.

        Raises ResourceLocked when the queue is exclusive to another connection, and AccessRefused.
        """
        check_queue(queue)
        with Telling(self._engine, queue):
            await self._engine.delete(queue).get_async()

    async def count(self, queue: str) -> int:
        """Return the number of ready messages: those neither delayed nor held by a receiver.

        Raises NotFound when the queue does not exist, and UnsupportedFeature.
        """
        check_queue(queue)
        require_feature(self.capabilities, self.capabilities.count, "count")
        with Telling(self._engine, queue):
            return await self._engine.count(queue).get_async()

    async def queues(self) -> list[QueueInfo]:
        """Return the queues that there are, by name; those that the user may not read are left out.

        Raises UnsupportedFeature if the engine cannot list them.
        """
        require_feature(self.capabilities, self.capabilities.queues, "queues")
        with Telling(self._engine):
            future = await asyncio.to_thread(self._engine.queues)
            return await future.get_async()

    async def stats(self, queue: str) -> QueueStats:
        """Return a queue's statistics: ready and held messages, receivers, bytes. None: unknown to the engine.

        Two readings give rates: ``later.rates(earlier)``. Raises NotFound when the queue does not exist, AccessRefused,
        and UnsupportedFeature.
        """
        check_queue(queue)
        require_feature(self.capabilities, self.capabilities.stats, "stats")
        with Telling(self._engine, queue):
            future = await asyncio.to_thread(self._engine.stats, queue)
            return await future.get_async()

    async def peek(self, queue: str, max: int = 1) -> list[Message]:  # noqa: A002
        """Return the first ready messages, at most ``max`` (1 or more). They stay in the queue.

        Raises NotFound when the queue does not exist, UnsupportedFeature, and StoreError when the file cannot be read.
        """
        check_queue(queue)
        check_number("max", max, 1)
        require_feature(self.capabilities, self.capabilities.peek, "peek")
        with Telling(self._engine, queue):
            future = await asyncio.to_thread(self._engine.peek, queue, max)
            return await future.get_async()

    async def purge(self, queue: str) -> int:
        """Drop all ready messages and return their number. Delayed messages, and those held by receivers, stay.

        Raises NotFound when the queue does not exist, and UnsupportedFeature.
        """
        check_queue(queue)
        require_feature(self.capabilities, self.capabilities.purge, "purge")
        with Telling(self._engine, queue):
            future = await asyncio.to_thread(self._engine.purge, queue)
            return await future.get_async()

    async def replay(
        self,
        source: str,
        target: str | None = None,
        max: int | None = None,  # noqa: A002
    ) -> int:
        """Move ready messages from one queue to another, oldest first, and return how many were moved.

        Use it to retry dead letters: each starts over, without the headers that record its death.
        ``target``: where they go; None: each dead letter goes back to the queue where it died. A message that did not
        die, or died in a queue that is gone, stays where it is.
        ``max``: the most messages to move, 0 or more; None: as many as are ready now. After a crash, each message is in
        one of the two queues; if ``capabilities.atomic_replay`` is False, it may be in both.

        Raises NotFound when either queue does not exist, ValueError when both are the same queue, ResourceError when
        a target is full (the messages moved so far stay there), and UnsupportedFeature.
        """
        check_queue(source, "source")
        if target is not None:
            check_queue(target, "target")
        if max is not None:
            check_number("max", max, 0)
        if source == target:
            raise ValueError(f"queue '{source}' cannot be replayed into itself: name another target, or none")
        require_feature(self.capabilities, self.capabilities.replay, "replay")
        if target is None:
            require_feature(
                self.capabilities, self.capabilities.replay_home, "replay without a target: say where they go"
            )
        if max is None:
            require_feature(self.capabilities, self.capabilities.count, "replay without max, which counts")
        with Telling(self._engine, source):
            most = await self._engine.count(source).get_async() if max is None else max
        moved = 0
        while True:
            # Also with nothing to move: the engine looks whether both queues are there.
            with Telling(self._engine, target or source):
                future = await asyncio.to_thread(self._engine.move, source, target, min(MOVE_SLICE, most - moved))
                count = await future.get_async()
            moved += count
            if not count or moved >= most:
                return moved

    # ------------------------------------------------------------------ sending

    async def send(self, queue: str, body: bytes | Message, **options: Unpack[SendOptions]) -> None:
        """Send a message, and return once it is safe: a durable message in a durable queue is then on disk.

        ``body``: bytes, or a ``Message``, which already contains the options. The options are those of ``Message``:
        ``id``, ``headers``, ``content_type``, ``correlation_id``, ``reply_to``, ``type``, ``priority``, ``ttl``,
        ``delay``, ``group``, ``created_at`` and ``durable``.

        Raises NotFound when the queue does not exist, ResourceError when it is full and refuses messages, StoreError
        when the disk cannot take the message, UnsupportedFeature for an option that the engine does not have, and
        ConnectionLost when the message may or may not have arrived.
        """
        await self._send(queue, [as_message(body, options)])

    async def send_many(self, queue: str, messages: Iterable[bytes | Message]) -> None:
        """Send several messages in one commit, and return once all are safe. Raises the same errors as ``send``."""
        batch = [one if isinstance(one, Message) else Message(one) for one in messages]
        if batch:
            await self._send(queue, batch)

    async def send_json(self, queue: str, value: object, **options: Unpack[SendOptions]) -> None:
        """Send a value as JSON; ``delivery.message.json()`` decodes it.

        The options are those of ``send``. Raises TypeError for a value that JSON cannot represent, and the errors of
        ``send``.
        """
        options.setdefault("content_type", "application/json")
        await self._send(queue, [Message(encode_json(value), **options)])

    async def send_msgpack(self, queue: str, value: object, **options: Unpack[SendOptions]) -> None:
        """Send a value as MessagePack; ``delivery.message.msgpack()`` decodes it.

        The options are those of ``send``. Raises TypeError for a value that MessagePack cannot represent, and the
        errors of ``send``.
        """
        options.setdefault("content_type", "application/msgpack")
        await self._send(queue, [Message(encode_msgpack(value), **options)])

    async def _send(self, queue: str, messages: list[Message]) -> None:
        check_queue(queue)
        capabilities = self._engine.capabilities
        for message in messages:
            require(capabilities, message)
        try:
            await self._engine.send(queue, messages).get_async()
        except BatonError as error:
            raise told(error, self._engine.place, queue) from error.__cause__

    # ------------------------------------------------------------------ receiving

    def receiver(
        self,
        queue: str,
        *,
        prefetch: int = DEFAULT_PREFETCH,
        wait: float | None = None,
        lease: float | None = None,
        until_empty: bool = False,
    ) -> Receiver:
        """Return a receiver for a queue: iterate over it, or call its ``receive``.

        ``prefetch``: how many unsettled messages it may hold, 1 or more.
        ``wait``: seconds without a message after which iteration ends, 0 or more; None: it never ends.
        ``lease``: seconds for which a message is held, 0.1 or more. A message that is neither settled nor renewed
        (``delivery.renew``) in that time goes back to its place in the queue. None: a message is held until it is
        settled, or until the connection is lost.
        ``until_empty``: take what is there, and end when no message is ready, without waiting. Messages are asked for
        one by one, so that none is sent ahead; ``prefetch`` sets no limit. A message that this receiver gives back is
        ready again, and comes again. Not together with ``wait`` or ``lease``.

        Raises UnsupportedFeature for a lease, or for ``until_empty``, if the engine has none. The receiver subscribes
        later, when its context is entered or a message is first asked for; only then does a queue that does not exist
        raise NotFound.
        """
        return self._receiver(self._engine, queue, prefetch, wait, lease, until_empty=until_empty)

    def transaction(self) -> Transaction:
        """Send and accept several messages at once: all or nothing, and on disk when the block ends.

        Raises UnsupportedFeature if the engine has no transactions. The end of the block may raise AlreadySettled,
        LeaseLost, NotFound, ResourceError or StoreError: then nothing was sent, and the deliveries are still held.
        """
        require_feature(self.capabilities, self.capabilities.transactions, "transactions")
        return Transaction(self._engine)

    def outbox(self, connection: object, *, relay: bool = True) -> Outbox:
        """Return a block in which messages are written to the application's own database, in its own transaction.

        ``connection``: the application's connection: of sqlite3, psycopg or Django, or a Session or Connection of
        SQLAlchemy, to SQLite or PostgreSQL. Their awaited counterparts (AsyncSession, AsyncConnection), aiosqlite and
        asyncpg work as well, in threads too: they need the ``async`` form of ``with``. The table is created by
        ``batonmq.contrib.outbox.create_table``, or by a migration.
        ``relay``: a thread of this connection sends committed messages, and those that others have left; False: leave
        this to ``batonmq outbox relay`` or another process.

        Raises TypeError for anything that is not such a connection, and ValueError for a database in memory, which no
        thread could relay from; for an awaited connection, the start of the block raises it. The block belongs to the
        thread, or task, that has the connection.
        """
        with Telling(self._engine):
            return self._relaying.outbox(connection, relay=relay)

    async def run(
        self,
        queue: str,
        handler: Callable[..., Awaitable[object]],
        *,
        concurrency: int = 1,
        attempts: int | None = None,
        backoff: float = 1.0,
        backoff_max: float = 60.0,
        retry: Backoff | None = None,
        timeout: float | None = None,  # noqa: ASYNC109
        lease: float | None = None,
        drain: float = 25.0,
        stop: asyncio.Event | None = None,
    ) -> None:
        """Call a handler for each message of a queue, until SIGTERM, SIGINT or ``stop``.

        The message is accepted when the handler returns. If the handler raises, the error is logged and the message is
        delivered again later. Until then it waits in its queue, or in this process if
        ``capabilities.release_delay`` is False. The handler's parameters may ask for the delivery or for the body as a
        value, and its result is the reply: the page "Handlers" of the documentation says how.

        ``concurrency``: how many messages are handled at a time, 1 to 65,535.
        ``attempts``: how many deliveries, 1 or more, before a message that keeps failing is rejected to the dead
        letters; None: as many as the queue allows.
        ``backoff``, ``backoff_max``: seconds before the second attempt, 0 or more, and the most that it grows to: it
        doubles with each further attempt.
        ``retry``: the same as a ``Backoff``, with a factor and a jitter; not together with the two.
        ``timeout``: seconds, 0.01 or more, after which an attempt has failed; None: a handler may take as long as it
        likes.
        ``lease``: seconds, 1 or more. The lease is renewed while the handler works; if this process fails to renew it
        for that long, another receiver gets the message. None: no lease.
        ``drain``: seconds, 0 or more, that handlers have to finish after a signal. Messages still held then go back to
        the queue.
        ``stop``: an event that, when set, ends the work as a signal does. Signals work in the main thread only.

        Raises NotFound when the queue does not exist or is deleted, and ConnectionLost: an error that ends receiving
        ends the worker.
        """
        options = WorkerOptions(
            concurrency=concurrency,
            attempts=attempts,
            retry=backoff_of(backoff, backoff_max, retry),
            timeout=timeout,
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
        """Send a message and return the reply, which comes straight to this connection, without a queue.

        ``timeout``: seconds to wait for the reply, 0 or more; None: for ever. The options are those of ``send``.

        Raises TimeoutError when no reply arrives in time, and the errors of ``send``.
        """
        check_queue(queue)
        if timeout is not None:
            check_seconds("timeout", timeout)
        message = as_message(body, options)
        require_feature(self.capabilities, self.capabilities.request, "request")
        require(self.capabilities, message)
        with Telling(self._engine, queue):
            future = self._engine.request(queue, message)
            try:
                if not await future.wait_async(timeout):
                    raise TimeoutError(
                        f"no reply from queue '{queue}' within {timeout} s: does anybody receive from it?"
                    )
            finally:
                self._engine.forget(future)
            return future.result()

    async def reply(self, request: Delivery | Message, body: bytes | Message, **options: Unpack[SendOptions]) -> None:
        """Answer a message that was sent with ``request`` or with ``reply_to``. The reply carries its correlation id.

        If nobody waits for the reply any more, nothing happens. The options are those of ``send``.

        Raises ValueError when the message has no ``reply_to``, and UnsupportedFeature.
        """
        asked = request if isinstance(request, Message) else request.message
        if asked.reply_to is None:
            raise ValueError("the message asks for no reply: it has no reply_to: send it with request")
        require_feature(self.capabilities, self.capabilities.request, "reply")
        message = as_message(body, options)
        if message.correlation_id is None and asked.correlation_id is not None:
            properties = message.properties.replace(correlation_id=asked.correlation_id)
            message = received_message(message.body, properties)
        with Telling(self._engine, asked.reply_to):
            await self._engine.reply(asked, message).get_async()

    # ------------------------------------------------------------------ the end

    async def close(self) -> None:
        """Close all receivers and disconnect. Messages that receivers hold go back to their queues.

        A second call does nothing. Raises StoreError when the last changes could not be written.
        """
        await asyncio.to_thread(self._relaying.close)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()
