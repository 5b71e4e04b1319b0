"""A worker within a program that has an event loop of its own, such as a web application."""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from collections.abc import AsyncIterator

from batonmq.api.applications.worker import Worker, opened, opener
from batonmq.api.connections import asynchronous
from batonmq.api.in_thread import opened_in_thread
from batonmq.api.workers.policy import log

__all__ = ["hosted"]


@contextlib.asynccontextmanager
async def hosted(
    worker: Worker, *, url: str | os.PathLike[str] | None, handlers: bool, drain: float | None
) -> AsyncIterator[asynchronous.Connection]:
    """Connect a worker while the block runs, and call its handlers meanwhile if asked to.

    ``async def`` handlers run in this loop, plain ones in threads. When the block ends, they have ``drain`` seconds to
    finish. An error that ends the handlers earlier is logged, and raised when the block ends. Raises the errors of
    ``Worker.run``, and NotFound when a handler's queue does not exist.
    """
    opening = opened(worker, opener(worker, url))
    staff = await opened_in_thread(opening.__enter__, lambda _: opening.__exit__(None, None, None))
    try:
        if not handlers:
            yield staff.aio
            return
        if staff.aio.capabilities.count:
            for post in staff.posts:
                await staff.aio.count(post.queue)
        drain = worker.drain if drain is None else drain
        shift = staff.shift(None, drain, threading.Event(), threading.Event())
        working = asyncio.create_task(shift.run_here())
        working.add_done_callback(_told)
        try:
            yield staff.aio
        finally:
            shift.stop()
            await working
    finally:
        await asyncio.to_thread(opening.__exit__, None, None, None)


def _told(working: asyncio.Task[None]) -> None:
    error = None if working.cancelled() else working.exception()
    if error is not None:
        log.error("no handler is called any more, and the program goes on without: %s: %s", type(error).__name__, error)
