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
    """Handlers, each for one queue. ``batonmq run module:name`` sets them to work, or ``run`` does."""

    def __init__(self, url: str | os.PathLike[str] | None = None, *, drain: float = DRAIN_SECONDS) -> None:
        """Make a worker without handlers.

        ``url``: where the queues live, as for ``batonmq.connect``; ``run`` and the command line may name another one.
        ``drain``: seconds that handlers have to finish when the worker is told to stop, 0 or more.

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
        """A decorator: this function is called with each delivery of a queue.

        A plain function is called in one of ``concurrency`` threads. An ``async def`` runs as one of as many tasks, and
        gets a delivery of ``batonmq.aio``.

        ``concurrency``: how many messages are handled at a time, 1 to 65,535.
        ``attempts``: the deliveries after which a message is rejected, 1 or more; None: as many as the queue allows.
        ``backoff``, ``backoff_max``: seconds until the second attempt, doubled with each further one up to the maximum.
        ``lease``: seconds, 1 or more, after which a message goes to others when this process stops renewing it; None:
        no lease.

        Raises ValueError for options out of their range, and for a queue that has a handler already.
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
        """A decorator: this function is called with the connection before any handler, to declare queues."""
        self._preparations.append(function)
        return function

    @property
    def queues(self) -> list[str]:
        """The queues that have a handler."""
        return list(self._posts)

    @property
    def connection(self) -> sync_connections.Connection:
        """For handlers that send. Raises Closed while the worker does not run."""
        return self._open_connections()[0]

    @property
    def aio(self) -> async_connections.Connection:
        """The same connection for handlers that are ``async def``. Raises Closed while the worker does not run."""
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
        """Work until SIGTERM, SIGINT or ``stop``; signals are heeded in the main thread only.

        When it is told to stop it takes no more messages, and gives handlers ``drain`` seconds; what they hold then, or
        at a second signal, goes back to the queues. ``url``, ``concurrency`` and ``drain`` count more than what the
        worker and its handlers say.

        Raises ValueError without a URL or without handlers, RuntimeError when it runs already, as ``batonmq.connect``
        does when queues are out of reach, and NotFound, ConnectionLost: what ends receiving from one queue ends the
        worker, after the others have been told to stop.
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
