"""One run of a worker: a thread for each queue of plain handlers, one for all that are ``async def``."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Self

from batonmq.api.applications.schedules import Schedule
from batonmq.api.connections import asynchronous as async_connections, synchronous as sync_connections
from batonmq.api.handlers.handler import Handler, Middleware, is_awaited
from batonmq.api.workers import asynchronous as tasks, synchronous as threads
from batonmq.api.workers.policy import POLL_SECONDS, WorkerOptions, log
from batonmq.api.workers.watching import Watcher

__all__ = ["Post", "Shift"]

# Messages still held when the drain time is over are given back, which takes a commit or the broker's answer.
GIVE_BACK_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Post:
    """A queue and its handler."""

    queue: str
    handler: Handler
    options: WorkerOptions
    schedule: Schedule | None = None
    """When the queue delivers a scheduled message."""

    def with_options(self, options: WorkerOptions) -> Self:
        """The same post with other options."""
        return replace(self, options=options)

    def __str__(self) -> str:
        return f"{self.queue!r} ({self.options.concurrency} at once)"


class Shift:
    """Begins and ends as a whole: when the work on one queue ends, the others are stopped in order."""

    def __init__(
        self,
        connection: sync_connections.Connection,
        aio: async_connections.Connection,
        posts: Sequence[Post],
        drain: float,
        stop: threading.Event,
        again: threading.Event,
        *,
        middlewares: Sequence[Middleware] = (),
        watcher: Watcher | None = None,
    ) -> None:
        self._connection = connection
        self._aio = aio
        self._posts = posts
        self._drain = drain
        self._stop = stop
        self._again = again
        self._middlewares = middlewares
        self._watcher = watcher
        self._error: BaseException | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop_tasks: asyncio.Event | None = None

    def run(self) -> None:
        """Work until ``stop`` is set, then drain until ``again`` is. Raises the error that ended it earlier."""
        self._run(self._in_tasks)

    async def run_here(self) -> None:
        """Work like ``run``, with the tasks in this loop."""
        threads = asyncio.create_task(asyncio.to_thread(self._run, None))
        try:
            if any(post.handler.is_async for post in self._posts):
                await self._run_tasks()
            await asyncio.shield(threads)
        finally:
            self._stop.set()
            await threads

    def stop(self) -> None:
        """Take no more messages, and give handlers the drain time. Any thread may call."""
        self._stop.set()

    def _run(self, tasks: Callable[[], None] | None) -> None:
        work = [self._in_threads(post) for post in self._posts if not post.handler.is_async]
        if tasks is not None and any(post.handler.is_async for post in self._posts):
            work.append(tasks)
        # Daemons: a handler that never returns must not keep the process alive.
        running = [threading.Thread(target=self._watched, args=(one,), daemon=True) for one in work]
        log.info("works on %s", ", ".join(map(str, self._posts)))
        for thread in running:
            thread.start()
        # In short waits: on some systems an endless wait keeps Python from calling signal handlers.
        while not self._stop.wait(POLL_SECONDS):
            pass
        if any(thread.is_alive() for thread in running):
            log.info("stops: handlers have %g s to finish", self._drain)
        self._tell_tasks()
        end = time.monotonic() + self._drain + GIVE_BACK_SECONDS
        for thread in running:
            while thread.is_alive() and not self._again.is_set() and time.monotonic() < end:
                thread.join(POLL_SECONDS)
        if self._again.is_set():
            log.warning("told to stop again: what handlers hold goes back now")
        if self._error is not None:
            raise self._error

    def _watched(self, work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001  (raised by `run`, in the thread that waits for this one)
            self._error = self._error or error
        finally:
            self._stop.set()

    def _in_threads(self, post: Post) -> Callable[[], None]:
        receiver = self._connection.receiver(post.queue, prefetch=post.options.concurrency, lease=post.options.lease)
        middlewares = [one for one in self._middlewares if not is_awaited(one)]
        return threads.QueueWorker(
            receiver, post.handler, post.options, self._stop, middlewares=middlewares, watcher=self._watcher
        ).run

    def _in_tasks(self) -> None:
        asyncio.run(self._run_tasks())

    async def _run_tasks(self) -> None:
        self._stop_tasks = stop = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        if self._stop.is_set():
            # Stopped before there was a loop.
            return
        errors: list[BaseException] = []
        middlewares = [one for one in self._middlewares if is_awaited(one)]

        async def work(post: Post) -> None:
            receiver = self._aio.receiver(post.queue, prefetch=post.options.concurrency, lease=post.options.lease)
            try:
                await tasks.QueueWorker(
                    receiver, post.handler, post.options, stop, middlewares=middlewares, watcher=self._watcher
                ).run()
            except BaseException as error:  # noqa: BLE001  (raised below, when the others have stopped, too)
                errors.append(error)
                # Threads stop at once, without waiting for these tasks to drain.
                self._stop.set()
            finally:
                stop.set()

        await asyncio.gather(*(work(post) for post in self._posts if post.handler.is_async))
        if errors:
            raise errors[0]

    def _tell_tasks(self) -> None:
        loop, stop = self._loop, self._stop_tasks
        if loop is not None and stop is not None:
            # The loop may have ended already.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(stop.set)
