"""The functions of ``batonmq.contrib.outbox`` that take a connection, for asynchronous connections.

``connection`` is what ``Connection.outbox`` takes with ``async with``: an AsyncSession or AsyncConnection of
SQLAlchemy, an AsyncConnection of psycopg, a connection of aiosqlite or asyncpg. Docs: docs/outbox.md.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading

from batonmq.api.outbox.async_libraries import async_database_of
from batonmq.api.outbox.asynchronous import AsyncDatabase, LentDatabase
from batonmq.api.outbox.relaying import Connected, relay_all, require_committed
from batonmq.api.outbox.table import COUNT, create_statements
from batonmq.contrib.outbox.tables import WaitingMessages, counted

__all__ = ["create_table", "relay_now", "waiting"]


async def create_table(connection: object) -> None:
    """Create the table ``batonmq_outbox`` unless it exists.

    If the connection is in a transaction, this is part of it; otherwise it is committed. Raises TypeError for anything
    but an asynchronous connection, and the database's errors.
    """
    database = _database_of(connection)
    async with contextlib.nullcontext() if database.in_transaction else database.transaction():
        for statement in create_statements(database.dialect):
            await database.execute(statement)


async def waiting(connection: object) -> list[WaitingMessages]:
    """Count the messages in the table, by queue.

    Raises TypeError for anything but an asynchronous connection, and the database's errors.
    """
    return counted(await _database_of(connection).execute(COUNT))


async def relay_now(mq: Connected, connection: object) -> int:
    """Relay the messages in the table, through the application's own connection; returns how many were sent.

    Nothing else may use the connection meanwhile. Returns when nothing is left but what queues refuse, or when another
    relay is at work. If it is cancelled, it ends after the send under way. Raises ValueError while the connection is in
    a transaction, TypeError for anything but an asynchronous connection, ConnectionLost, Closed, and the database's
    errors; messages that were not sent are still there.
    """
    database = _database_of(connection)
    require_committed(in_transaction=database.in_transaction)
    lent, stop = LentDatabase(database, await database.file()), threading.Event()
    # A send waits for a disk or a broker, and a transaction may be open meanwhile.
    relaying = asyncio.ensure_future(asyncio.to_thread(relay_all, mq, lent, stop))
    try:
        return await asyncio.shield(relaying)
    finally:
        stop.set()
        while not relaying.done():
            # Cancelled. The application gets its connection back when the thread is done with it.
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.wait([relaying])


def _database_of(connection: object) -> AsyncDatabase:
    database = async_database_of(connection)
    if database is None:
        kind = type(connection)
        raise TypeError(
            "an asynchronous connection is one of aiosqlite, asyncpg or psycopg, or an AsyncSession or AsyncConnection "
            f"of SQLAlchemy, not {kind.__module__}.{kind.__qualname__}; batonmq.contrib.outbox has the same for others"
        )
    return database
