"""Opens a connection to a URL, for threads and for asyncio."""

from __future__ import annotations

import os
from collections.abc import Generator
from ssl import SSLContext
from types import TracebackType

from batonmq.api.connections import asynchronous, synchronous
from batonmq.api.in_thread import opened_in_thread
from batonmq.api.tracing.finding import traced
from batonmq.engines.interface import Engine
from batonmq.engines.openers import check_context, open_target
from batonmq.engines.urls import Target, parse_url

__all__ = ["Opening", "connect", "connect_async"]


def connect(url: str | os.PathLike[str], *, ssl_context: SSLContext | None = None) -> synchronous.Connection:
    """Connect to the queues at a URL.

    ``"orders.db"``, ``"file:///var/lib/shop/orders.db"``: queues in that file, which is created if it does not exist.
    They run in the first process of this machine to open the file; later ones share it.
    ``"memory:"``: queues in memory, gone with the connection. ``"memory:name"`` is shared by all connections to that
    name in this process.
    ``"amqp://user:password@host:5672/vhost"``: queues in a broker that speaks AMQP 0-9-1.
    ``"amqp10://..."``, ``"artemis://..."``, ``"activemq://..."``: queues in a broker that speaks AMQP 1.0.
    ``"amqps://user:password@host:5671/vhost?cacertfile=ca.pem"``: such a broker, over TLS. Its certificate must have
    the host's name and be signed by a CA of ``cacertfile``, or else of the system. Also in the query: ``certfile``,
    ``keyfile``, ``passphrase_file``, ``password``, ``verify``, ``server_name_indication`` and ``auth_mechanism``.

    ``ssl_context``: used for TLS at each connection. The query must not describe certificates or ``verify`` then.

    Other installed packages may add engines for schemes of their own.

    Raises ValueError for a URL that names no engine or certificates that cannot be read, StoreError when the file
    cannot be used (StoreCorrupt when it is damaged or not BatonMQ's), ConnectionLost when the broker cannot be reached
    or its certificate cannot be trusted, AccessRefused when it refuses the login, and UnsupportedFeature when what the
    engine needs is not installed.
    """
    return synchronous.Connection(open_engine(_parsed(url, ssl_context), ssl_context))


def _parsed(url: str | os.PathLike[str], ssl_context: SSLContext | None) -> Target:
    target = parse_url(url)
    check_context(target, ssl_context)
    return target


def open_engine(target: Target, ssl_context: SSLContext | None = None) -> Engine:
    """Open the engine of a URL, with spans if the program traces. Raises the same errors as ``connect``."""
    engine = traced(open_target(target, ssl_context), target)
    engine.opened_at(target.place)
    return engine


class Opening:
    """A connection that is being opened: ``await`` it, or enter it with ``async with``."""

    def __init__(self, url: str | os.PathLike[str], ssl_context: SSLContext | None = None) -> None:
        self._target = _parsed(url, ssl_context)
        self._ssl_context = ssl_context
        self._connection: asynchronous.Connection | None = None

    async def _open(self) -> asynchronous.Connection:
        # Opening a large file takes a while.
        engine = await opened_in_thread(
            lambda: open_engine(self._target, self._ssl_context), lambda engine: engine.close()
        )
        self._connection = asynchronous.Connection(engine)
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


def connect_async(url: str | os.PathLike[str], *, ssl_context: SSLContext | None = None) -> Opening:
    """Connect to the queues at a URL: ``async with connect(url) as mq``, or ``mq = await connect(url)``.

    URLs, ``ssl_context`` and errors are those of ``batonmq.connect``. ValueError for a URL that names no engine is
    raised at once, everything else when awaited.
    """
    return Opening(url, ssl_context)
