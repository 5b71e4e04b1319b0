"""Clients that test the handlers of a worker: through real queues in memory, on a clock that can be moved."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Self, Unpack

from batonmq.api.applications.shift import Post
from batonmq.api.applications.worker import Staff, Worker, opened
from batonmq.api.connections import asynchronous as async_connections, synchronous as sync_connections
from batonmq.api.handlers.handler import AnyDelivery, is_awaited
from batonmq.api.options import SendOptions, as_message
from batonmq.api.workers import asynchronous as tasks, synchronous as threads
from batonmq.api.workers.watching import Watcher
from batonmq.engines.embedded.engine import EmbeddedEngine
from batonmq.engines.futures import Future
from batonmq.engines.messages import Message, encode_json
from batonmq.engines.shared.registry import open_memory
from batonmq.testing.clock import MovableClock

__all__ = ["AsyncTestClient", "Handled", "TestClient"]

# A handler that sends to its own queue, or fails without a wait, would loop for ever.
HANDLED_MAX = 10_000
PEEK_MAX = 1_000


@dataclass(frozen=True, slots=True)
class Handled:
    """A call of a handler, and its outcome."""

    queue: str
    """The queue of the message."""
    message: Message
    """The message itself."""
    delivery_count: int
    """How often the message had been delivered, this time included."""
    value: object
    """What the handler returned; None when it failed."""
    error: BaseException | None
    """What it raised; None when it returned."""


class _Notes(Watcher):
    """Records the calls of handlers."""

    __slots__ = ("handled",)

    def __init__(self) -> None:
        self.handled: list[Handled] = []

    def ended(self, queue: str, delivery: AnyDelivery, value: object, error: BaseException | None) -> None:
        self.handled.append(Handled(queue, delivery.message, delivery.delivery_count, value, error))


class _Client:
    """The base of both clients: the worker on its queues, and its handlers' calls."""

    # Pytest would take a class of this name for tests.
    __test__ = False

    def __init__(self, app: Worker, *, clock: MovableClock | None = None, raise_errors: bool = True) -> None:
        """``clock``: the clock of the queues, such as the fixture ``baton_clock``; None: a new one.

        ``raise_errors``: a handler's error is raised again in the test, once its message was settled and nothing is
        left to do. Otherwise errors are only collected in ``errors``.
        """
        self.app = app
        self.clock: MovableClock = clock or MovableClock()
        """The clock of the queues."""
        self._raise_errors = raise_errors
        self._notes = _Notes()
        self._seen = 0
        self._block = contextlib.ExitStack()
        self._engine: EmbeddedEngine
        self._staff: Staff

    @property
    def handled(self) -> list[Handled]:
        """All calls of handlers so far, in order."""
        return list(self._notes.handled)

    @property
    def errors(self) -> list[BaseException]:
        """All errors of handlers so far, in order, including those for bodies that did not fit."""
        return [one.error for one in self._notes.handled if one.error is not None]

    def results(self, queue: str) -> list[object]:
        """The results of a queue's handler so far, in order."""
        return [one.value for one in self._notes.handled if one.queue == queue and one.error is None]

    def _open(self) -> None:
        def open_engine() -> EmbeddedEngine:
            self._engine = open_memory("", self.clock)
            return self._engine

        self._staff = self._block.enter_context(opened(self.app, open_engine, declares=True))
        self.clock.when_moved(self._engine.core.run_due)
        self._block.callback(self.clock.forget, self._engine.core.run_due)

    def _in_thread(self, post: Post) -> threads.QueueWorker:
        receiver = self._block.enter_context(self._staff.connection.receiver(post.queue, prefetch=1))
        middlewares = [one for one in self._staff.middlewares if not is_awaited(one)]
        stop = threading.Event()
        return threads.QueueWorker(
            receiver, post.handler, post.options, stop, middlewares=middlewares, watcher=self._notes
        )

    def _as_task(self, post: Post) -> tasks.QueueWorker:
        receiver = self._staff.aio.receiver(post.queue, prefetch=1)
        middlewares = [one for one in self._staff.middlewares if is_awaited(one)]
        return tasks.QueueWorker(
            receiver, post.handler, post.options, asyncio.Event(), middlewares=middlewares, watcher=self._notes
        )

    def _check_most(self, done: int) -> None:
        if done >= HANDLED_MAX:
            raise RuntimeError(f"the queues are not idle after {done} messages: does a handler feed itself?")

    def _raise_first(self) -> None:
        """Raise the first error of a handler since the last call of this."""
        since, self._seen = self._seen, len(self._notes.handled)
        if self._raise_errors:
            for one in self._notes.handled[since:]:
                if one.error is not None:
                    raise one.error

    def _steps(self, seconds: float) -> Iterator[float]:
        """How far to move the clock in each step, so that nothing falls due unnoticed."""
        if seconds < 0:
            raise ValueError(f"time does not go back: {seconds}")
        end = self.clock.monotonic() + seconds
        timetable = self._engine.core.broker.timetable
        while (due := timetable.next_due()) is not None and due < end:
            yield max(0.0, due - self.clock.monotonic())
        yield max(0.0, end - self.clock.monotonic())

    def _asked(self, queue: str, body: object, options: SendOptions) -> Future[Message]:
        return self._engine.request(queue, _message(body, options))

    def _reply(self, queue: str, asked: Future[Message]) -> Message:
        if not asked.done:
            raise TimeoutError(f"the handler of {queue!r} has sent no reply: did it return anything?")
        return asked.result()


def _message(body: object, options: SendOptions) -> Message:
    """Bytes and messages are sent as they are, everything else as JSON."""
    if isinstance(body, bytes | Message):
        return as_message(body, options)
    options.setdefault("content_type", "application/json")
    return Message(encode_json(body), **options)


class TestClient(_Client):
    """Calls the handlers of a worker: ``with TestClient(app) as client:``.

    The queues are real ones, in memory, for this client only. ``on_start`` functions are called first; a handler's
    queue that they have not declared is then declared without options. Handlers are called in the thread of the test,
    one message after another; ``async def`` ones in an event loop of the client.
    """

    connection: sync_connections.Connection
    """The connection to the queues."""

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as undone:
            undone.push(self._block)
            self._open()
            self.connection = self._staff.connection
            runner = self._block.enter_context(asyncio.Runner())
            self._plain = [self._in_thread(post) for post in self._staff.posts if not post.handler.is_async]
            self._tasks = [self._as_task(post) for post in self._staff.posts if post.handler.is_async]
            self._runner = runner
            undone.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._block.close()

    def send(self, queue: str, body: object, **options: Unpack[SendOptions]) -> None:
        """Send bytes or a Message as they are, anything else as JSON. ``run_until_idle`` then calls handlers.

        The options and errors are those of ``Connection.send``.
        """
        self.connection.send(queue, _message(body, options))

    def request(self, queue: str, body: object, **options: Unpack[SendOptions]) -> Message:
        """Send a request, run until idle, and return the reply. Raises TimeoutError if there is none."""
        asked = self._asked(queue, body, options)
        try:
            self.run_until_idle()
            return self._reply(queue, asked)
        finally:
            self._engine.forget(asked)

    def messages(self, queue: str) -> list[Message]:
        """The ready messages of a queue, at most 1,000; they stay there. Raises NotFound."""
        return self.connection.peek(queue, PEEK_MAX)

    def run_until_idle(self) -> None:
        """Call handlers until no message is ready. Raises the first error of a handler, if there was one.

        Raises RuntimeError after 10,000 messages.
        """
        self._run()
        self._raise_first()

    def _run(self) -> None:
        done = 0
        while self._step():
            done += 1
            self._check_most(done)

    def _step(self) -> bool:
        for worker in self._plain:
            if worker.step():
                return True
        return any(self._runner.run(one.step()) for one in self._tasks)

    def advance(self, seconds: float) -> None:
        """Advance the clock: everything that falls due is handled at its time, in order.

        Raises ValueError for a step back, and, at the end, the errors of ``run_until_idle``.
        """
        self._run()
        for step in self._steps(seconds):
            self.clock.advance(step)
            self._run()
        self._raise_first()


class AsyncTestClient(_Client):
    """``TestClient`` for ``async def`` tests: ``async with AsyncTestClient(app) as client:``.

    ``async def`` handlers are called in the event loop of the test, plain ones in a thread.
    """

    connection: async_connections.Connection
    """The connection to the queues."""

    async def __aenter__(self) -> Self:
        with contextlib.ExitStack() as undone:
            undone.push(self._block)
            await asyncio.to_thread(self._open)
            self.connection = self._staff.aio
            self._plain = [self._in_thread(post) for post in self._staff.posts if not post.handler.is_async]
            self._tasks = [self._as_task(post) for post in self._staff.posts if post.handler.is_async]
            undone.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await asyncio.to_thread(self._block.close)

    async def send(self, queue: str, body: object, **options: Unpack[SendOptions]) -> None:
        """Send bytes or a Message as they are, anything else as JSON. ``run_until_idle`` then calls handlers.

        The options and errors are those of ``Connection.send``.
        """
        await self.connection.send(queue, _message(body, options))

    async def request(self, queue: str, body: object, **options: Unpack[SendOptions]) -> Message:
        """Send a request, run until idle, and return the reply. Raises TimeoutError if there is none."""
        asked = self._asked(queue, body, options)
        try:
            await self.run_until_idle()
            return self._reply(queue, asked)
        finally:
            self._engine.forget(asked)

    async def messages(self, queue: str) -> list[Message]:
        """The ready messages of a queue, at most 1,000; they stay there. Raises NotFound."""
        return await self.connection.peek(queue, PEEK_MAX)

    async def run_until_idle(self) -> None:
        """Call handlers until no message is ready. Raises the first error of a handler, if there was one.

        Raises RuntimeError after 10,000 messages.
        """
        await self._run()
        self._raise_first()

    async def _run(self) -> None:
        done = 0
        while await self._step():
            done += 1
            self._check_most(done)

    async def _step(self) -> bool:
        for worker in self._plain:
            if await asyncio.to_thread(worker.step):
                return True
        for one in self._tasks:
            if await one.step():
                return True
        return False

    async def advance(self, seconds: float) -> None:
        """Advance the clock: everything that falls due is handled at its time, in order.

        Raises ValueError for a step back, and, at the end, the errors of ``run_until_idle``.
        """
        await self._run()
        for step in self._steps(seconds):
            await asyncio.to_thread(self.clock.advance, step)
            await self._run()
        self._raise_first()
