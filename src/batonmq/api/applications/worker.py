"""Handlers of several queues in one application, run by ``batonmq run module:name`` or by one call."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple, TypeVar

from batonmq.api.applications.schedules import Schedule, check_scheduled, keep_schedule
from batonmq.api.applications.shift import Post, Shift
from batonmq.api.connections import asynchronous as async_connections, synchronous as sync_connections
from batonmq.api.connections.connect import open_engine
from batonmq.api.handlers.handler import Handler, Middleware, is_awaited
from batonmq.api.workers.policy import DRAIN_SECONDS, Backoff, WorkerOptions, backoff_of
from batonmq.api.workers.synchronous import stop_on_signals
from batonmq.api.workers.watching import Watcher
from batonmq.engines.checks import check_queue
from batonmq.engines.interface import Engine
from batonmq.engines.urls import parse_url
from batonmq.errors import Closed, NotFound

__all__ = ["Staff", "Worker", "opened", "opener"]

AnyHandler = TypeVar("AnyHandler", bound=Callable[..., object])
AnyMiddleware = TypeVar("AnyMiddleware", bound=Middleware)
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
        self._middlewares: list[Middleware] = []
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
        retry: Backoff | None = None,
        timeout: float | None = None,
        lease: float | None = None,
        schedule: Schedule | None = None,
    ) -> Callable[[AnyHandler], AnyHandler]:
        """A decorator that has the function called for each message of a queue.

        The function's parameters say what it gets: the delivery, the ``Message``, or the body as a value of the type
        that a parameter is annotated with. A body that does not fit that type goes to the dead letters. The function's
        result is the reply to a message that asks for one. A plain function is called in one of ``concurrency``
        threads. An ``async def`` runs in one of ``concurrency`` tasks, and gets a delivery of ``batonmq.aio``.

        ``concurrency``: how many messages are handled at a time, 1 to 65,535.
        ``attempts``: how many deliveries, 1 or more, before a message that keeps failing is rejected; None: as many as
        the queue allows.
        ``backoff``, ``backoff_max``: seconds before the second attempt, 0 or more, and the most that it grows to: it
        doubles with each further attempt.
        ``retry``: the same as a ``Backoff``, with a factor and a jitter; not together with the two.
        ``timeout``: seconds, 0.01 or more, after which an attempt has failed. An ``async def`` is cancelled then. A
        thread cannot be: it goes on, while its message is delivered again. None: as long as it likes.
        ``lease``: seconds, 1 or more, after which another receiver gets the message if this process stops renewing it;
        None: no lease.
        ``schedule``: when the queue delivers an empty message by itself, as in ``cron("*/5 * * * *")``: once each time,
        however many workers there are. None: never.

        Raises ValueError for an option out of its range, and for a queue that already has a handler; the decorator
        raises TypeError for a function whose parameters do not say what they take.
        """
        options = WorkerOptions(
            concurrency=concurrency,
            attempts=attempts,
            retry=backoff_of(backoff, backoff_max, retry),
            timeout=timeout,
            lease=lease,
            drain=self.drain,
        )
        check_queue(queue)
        if schedule is not None and not isinstance(schedule, Schedule):
            raise TypeError('a schedule is made by batonmq.cron, as in cron("*/5 * * * *")')
        if queue in self._posts:
            raise ValueError(f"queue {queue!r} has a handler")

        def register(handler: AnyHandler) -> AnyHandler:
            # Types that are defined inside the function that registers the handler, as in tests, are only known there.
            names = sys._getframe(1).f_locals
            made = Handler(handler, names=names)
            if schedule is not None:
                check_scheduled(made)
            self._posts[queue] = Post(queue, made, options, schedule)
            return handler

        return register

    def middleware(self, function: AnyMiddleware) -> AnyMiddleware:
        """A decorator that has the function called around each handler: ``function(delivery, call_next)``.

        It calls ``call_next(delivery)``, which reads the body and calls the handler, and returns what that returns, or
        a reply of its own. A plain function is called around plain handlers, and an ``async def``, which awaits
        ``call_next``, around those that are ``async def``. The first that is registered is the outermost.

        Raises TypeError for what cannot be called.
        """
        if not callable(function):
            raise TypeError(f"a middleware is a function, not {type(function).__name__}")
        self._middlewares.append(function)
        return function

    def on_start(self, function: Preparation) -> Preparation:
        """A decorator that has the function called with the connection before any handler, to declare queues.

        Raises TypeError for what cannot be called, and for an ``async def``.
        """
        if not callable(function):
            raise TypeError(f"a function for the start is a function, not {type(function).__name__}")
        if is_awaited(function):
            raise TypeError(f"a function for the start is a plain one, not async def like {function.__name__}")
        self._preparations.append(function)
        return function

    @property
    def queues(self) -> list[str]:
        """The queues that have a handler."""
        return list(self._posts)

    @property
    def concurrencies(self) -> dict[str, int]:
        """How many messages of each queue are handled at a time, as the handlers declare it."""
        return {queue: post.options.concurrency for queue, post in self._posts.items()}

    @property
    def connection(self) -> sync_connections.Connection:
        """The connection, for handlers that send. Raises Closed unless the worker is running."""
        return self._open_connections()[0]

    @property
    def aio(self) -> async_connections.Connection:
        """The worker's connection for ``async def`` handlers. Raises Closed unless the worker is running."""
        return self._open_connections()[1]

    def _engaged(self, staff: Staff | None) -> None:
        self._connections = None if staff is None else (staff.connection, staff.aio)

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
        watcher: Watcher | None = None,
    ) -> None:
        """Handle messages until SIGTERM, SIGINT or ``stop``. Signals work in the main thread only.

        When stopped, the worker takes no more messages and gives its handlers ``drain`` seconds to finish. Messages
        still held then, or at a second signal, go back to their queues.

        ``url``, ``concurrency``, ``drain``: override those of the worker and its handlers; None: do not.
        ``stop``: an event that, when set, ends the work as a signal does.
        ``watcher``: is told of each message that is handled; None: no watcher.

        Raises ValueError without a URL or without handlers, RuntimeError when the worker is already running, the errors
        of ``batonmq.connect``, and NotFound or ConnectionLost: an error that ends receiving from one queue ends the
        worker, after the other queues have been told to stop.
        """
        open_its = opener(self, url)
        if not self._posts:
            raise ValueError('the worker has no handlers: @worker.handler("orders") makes one of a function')
        drain = self.drain if drain is None else drain
        stop, again = stop or threading.Event(), threading.Event()
        with stop_on_signals(stop, again), opened(self, open_its) as staff:
            staff.shift(concurrency, drain, stop, again, watcher).run()


class Staff(NamedTuple):
    """A connected worker, with everything that calling its handlers takes."""

    connection: sync_connections.Connection
    aio: async_connections.Connection
    posts: Sequence[Post]
    middlewares: Sequence[Middleware]

    def shift(
        self,
        concurrency: int | None,
        drain: float,
        stop: threading.Event,
        again: threading.Event,
        watcher: Watcher | None = None,
    ) -> Shift:
        """A shift of all handlers. ``concurrency``: instead of the handlers' own."""
        posts = [post.with_options(_changed(post.options, concurrency, drain)) for post in self.posts]
        return Shift(
            self.connection, self.aio, posts, drain, stop, again, middlewares=self.middlewares, watcher=watcher
        )


def opener(worker: Worker, url: str | os.PathLike[str] | None) -> Callable[[], Engine]:
    """The opener of the worker's engine, or of a URL's if there is one. Raises ValueError without any."""
    where = worker.url if url is None else url
    if where is None:
        raise ValueError('the worker was given no URL: batonmq.Worker("shop.db") has one')
    target = parse_url(where)
    return lambda: open_engine(target)


@contextlib.contextmanager
def opened(worker: Worker, open_its: Callable[[], Engine], *, declares: bool = False) -> Iterator[Staff]:
    """Open an engine for a worker, call its ``on_start`` functions, and set its schedules.

    ``declares``: declare missing queues of handlers after ``on_start``. The connections are closed when the block ends.
    Raises RuntimeError when the worker is already running, and the errors of opening.
    """
    if not worker._running.acquire(blocking=False):
        raise RuntimeError("the worker runs already")
    try:
        engine = open_its()
        connection = sync_connections.Connection(engine)
        staff = Staff(
            connection, async_connections.Connection(engine), list(worker._posts.values()), list(worker._middlewares)
        )
        try:
            worker._engaged(staff)
            for function in worker._preparations:
                function(connection)
            for post in staff.posts:
                if declares:
                    _declare_if_missing(connection, post.queue)
                if post.schedule is not None:
                    keep_schedule(engine, post.queue, post.schedule)
            yield staff
        finally:
            worker._engaged(None)
            connection.close()
    finally:
        worker._running.release()


def _declare_if_missing(connection: sync_connections.Connection, queue: str) -> None:
    try:
        connection.count(queue)
    except NotFound:
        connection.declare(queue)


def _changed(options: WorkerOptions, concurrency: int | None, drain: float) -> WorkerOptions:
    return replace(options, concurrency=options.concurrency if concurrency is None else concurrency, drain=drain)
