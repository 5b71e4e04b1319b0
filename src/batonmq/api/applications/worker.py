"""Handlers of several queues in one application, which ``batonmq run module:name`` or one call sets to work."""

from __future__ import annotations

import os
import threading
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TypeVar

from batonmq.api import asynchronous, synchronous
from batonmq.api.applications.shift import Post, Shift
from batonmq.api.connections import asynchronous as async_connections, synchronous as sync_connections
from batonmq.api.connections.connect import open_engine
from batonmq.api.workers.policy import DRAIN_SECONDS, WorkerOptions, is_async
from batonmq.api.workers.synchronous import stop_on_signals
from batonmq.engines.checks import check_queue
from batonmq.engines.urls import parse_url
from batonmq.errors import Closed

__all__ = ["Worker"]

AnyHandler = TypeVar(
    "AnyHandler",
    bound=Callable[[synchronous.Delivery], object] | Callable[[asynchronous.Delivery], Awaitable[object]],
)
Preparation = TypeVar("Preparation", bound=Callable[[sync_connections.Connection], object])


class Worker:
    """A set of handlers, each for one queue. Start it with ``batonmq run module:name``, or call ``run``."""

    def __init__(self, url: str | os.PathLike[str] | None = None, *, drain: float = DRAIN_SECONDS) -> None:
        """Create a worker without handlers.

        ``url``: where the queues are, as for ``batonmq.connect``; ``run`` and the command line may override it.
        ``drain``: seconds that handlers have to finish when the worker is stopped, 0 or more.

        Raises ValueError for a URL that names no engine, and for a ``drain`` that is out of range.
        """
        if url is not None:
            parse_url(url)
        WorkerOptions(drain=drain)
        self.url = url
        self.drain = drain
        self._posts: dict[str, Post] = {}
        self._preparations: list[Callable[[sync_connections.Connection], object]] = []
        self._running = threading.Lock()
        self._connections: tuple[sync_connections.Connection, async_connections.Connection] | None = None

    def handler(
        self,
        queue: str,
        *,
        concurrency: int = 1,
        attempts: int | None = None,
        backoff: float = 1.0,
        backoff_max: float = 60.0,
        lease: float | None = None,
    ) -> Callable[[AnyHandler], AnyHandler]:
        """A decorator that has the function called with each delivery of a queue.

        A plain function is called in one of ``concurrency`` threads. An ``async def`` runs in one of ``concurrency``
        tasks, and gets a delivery of ``batonmq.aio``.

        ``concurrency``: how many messages are handled at a time, 1 to 65,535.
        ``attempts``: how many deliveries, 1 or more, before a message that keeps failing is rejected; None: as many as
        the queue allows.
        ``backoff``, ``backoff_max``: seconds before the second attempt, 0 or more, and the most that it grows to: it
        doubles with each further attempt.
        ``lease``: seconds, 1 or more, after which another receiver gets the message if this process stops renewing it;
        None: no lease.

        Raises ValueError for an option out of its range, and for a queue that already has a handler.
        """
        options = WorkerOptions(
            concurrency=concurrency,
            attempts=attempts,
            backoff=backoff,
            backoff_max=backoff_max,
            lease=lease,
            drain=self.drain,
        )
        check_queue(queue)
        if queue in self._posts:
            raise ValueError(f"queue {queue!r} has a handler")

        def register(handler: AnyHandler) -> AnyHandler:
            if not callable(handler):
                raise TypeError(f"a handler is a function, not {type(handler).__name__}")
            self._posts[queue] = Post(queue, handler, options, is_async=is_async(handler))
            return handler

        return register

    def on_start(self, function: Preparation) -> Preparation:
        """A decorator that has the function called with the connection before any handler, to declare queues."""
        self._preparations.append(function)
        return function

    @property
    def queues(self) -> list[str]:
        """The queues that have a handler."""
        return list(self._posts)

    @property
    def connection(self) -> sync_connections.Connection:
        """The connection, for handlers that send. Raises Closed unless the worker is running."""
        return self._open_connections()[0]

    @property
    def aio(self) -> async_connections.Connection:
        """The worker's connection for ``async def`` handlers. Raises Closed unless the worker is running."""
        return self._open_connections()[1]

    def _open_connections(self) -> tuple[sync_connections.Connection, async_connections.Connection]:
        if self._connections is None:
            raise Closed("the worker does not run: it has no connection")
        return self._connections

    def run(
        self,
        url: str | os.PathLike[str] | None = None,
        *,
        concurrency: int | None = None,
        drain: float | None = None,
        stop: threading.Event | None = None,
    ) -> None:
        """Handle messages until SIGTERM, SIGINT or ``stop``. Signals work in the main thread only.

        When stopped, the worker takes no more messages and gives its handlers ``drain`` seconds to finish. Messages
        still held then, or at a second signal, go back to their queues.

        ``url``, ``concurrency``, ``drain``: override those of the worker and its handlers; None: do not.
        ``stop``: an event that, when set, ends the work as a signal does.

        Raises ValueError without a URL or without handlers, RuntimeError when the worker is already running, the errors
        of ``batonmq.connect``, and NotFound or ConnectionLost: an error that ends receiving from one queue ends the
        worker, after the other queues have been told to stop.
        """
        where = self.url if url is None else url
        if where is None:
            raise ValueError("the worker was given no URL")
        target = parse_url(where)
        if not self._posts:
            raise ValueError("the worker has no handlers")
        drain = self.drain if drain is None else drain
        posts = [post.with_options(_changed(post.options, concurrency, drain)) for post in self._posts.values()]
        if not self._running.acquire(blocking=False):
            raise RuntimeError("the worker runs already")
        stop, again = stop or threading.Event(), threading.Event()
        try:
            with stop_on_signals(stop, again):
                engine = open_engine(target)
                connection = sync_connections.Connection(engine)
                self._connections = connection, async_connections.Connection(engine)
                try:
                    for function in self._preparations:
                        function(connection)
                    Shift(*self._connections, posts, drain, stop, again).run()
                finally:
                    self._connections = None
                    connection.close()
        finally:
            self._running.release()


def _changed(options: WorkerOptions, concurrency: int | None, drain: float) -> WorkerOptions:
    return replace(options, concurrency=options.concurrency if concurrency is None else concurrency, drain=drain)
