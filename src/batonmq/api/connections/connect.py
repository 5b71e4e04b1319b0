"""From a URL to a connection, for threads and for asyncio."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Generator
from types import TracebackType

from batonmq.api.connections import asynchronous, synchronous
from batonmq.engines.interface import Engine
from batonmq.engines.shared.engine import open_file
from batonmq.engines.shared.registry import open_memory
from batonmq.engines.urls import Target, parse_url

__all__ = ["Opening", "connect", "connect_async"]


def connect(url: str | os.PathLike[str]) -> synchronous.Connection:
    """Connect to the queues at a URL.

    ``"orders.db"``, ``"file:///var/lib/shop/orders.db"``: queues in that file, which is created if it does not exist.
    They run in the first process of this machine to open the file; later ones share it.
    ``"memory:"``: queues in memory, gone with the connection. ``"memory:name"`` is shared by all connections to that
    name in this process.
    ``"amqp://user:password@host:5672/vhost"``, ``"amqps://..."``: queues in a broker that speaks AMQP 0-9-1.

    Raises ValueError for a URL that names no engine, StoreError when the file cannot be used (StoreCorrupt when it is
    damaged or not BatonMQ's), ConnectionLost when the broker cannot be reached, and AccessRefused when it refuses the
    login.
    """
    return synchronous.Connection(open_engine(parse_url(url)))


def open_engine(target: Target) -> Engine:
    """Open the engine of a URL. Raises the same errors as ``connect``."""
    if target.engine == "amqp":
        # Its library is read only by those who need it.
        from batonmq.engines.amqp.engine import AmqpEngine

        return AmqpEngine(target.location)
    if target.engine == "memory":
        return open_memory(target.location)
    return open_file(target.location)


class Opening:
    """A connection that is being opened: ``await`` it, or enter it with ``async with``."""

    def __init__(self, url: str | os.PathLike[str]) -> None:
        self._target = parse_url(url)
        self._connection: asynchronous.Connection | None = None

    async def _open(self) -> asynchronous.Connection:
        # Reading a large file back takes a while.
        self._connection = asynchronous.Connection(await asyncio.to_thread(open_engine, self._target))
        return self._connection

    def __await__(self) -> Generator[object, None, asynchronous.Connection]:
        return self._open().__await__()

    async def __aenter__(self) -> asynchronous.Connection:
        return await self._open()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._connection is not None:
            await self._connection.close()


def connect_async(url: str | os.PathLike[str]) -> Opening:
    """Connect to the queues at a URL: ``async with connect(url) as mq``, or ``mq = await connect(url)``.

    URLs and errors are those of ``batonmq.connect``. ValueError is raised at once, the others when awaited.
    """
    return Opening(url)
