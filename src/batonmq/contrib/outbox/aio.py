"""The functions of ``batonmq.contrib.outbox`` that take a connection, for asynchronous ones.

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

    If the connection is in a transaction, this is part of it; otherwise it is committed. Raises TypeError for what is
    no asynchronous connection, and what the database raises.
    """
    database = _database_of(connection)
    async with contextlib.nullcontext() if database.in_transaction else database.transaction():
        for statement in create_statements(database.dialect):
            await database.execute(statement)


async def waiting(connection: object) -> list[WaitingMessages]:
    """What waits in the table, by queue. Raises TypeError for what is no asynchronous connection, and what the database
    raises.
    """
    return counted(await _database_of(connection).execute(COUNT))


async def relay_now(mq: Connected, connection: object) -> int:
    """Relay what waits in the database, through the application's own connection; tells how many.

    Nothing else may use the connection meanwhile. Returns when nothing is left but what queues refuse, or when another
    relay is at work. When it is cancelled, it ends after what is being sent. Raises ValueError while the connection is
    in a transaction, TypeError for what is no asynchronous connection, ConnectionLost, Closed, and what the database
    raises: what was not sent is still there.
    """
    database = _database_of(connection)
    require_committed(in_transaction=database.in_transaction)
    lent, stop = LentDatabase(database, await database.file()), threading.Event()
    # To send is to wait, for a disk or a broker, and a transaction may be open meanwhile.
    relaying = asyncio.ensure_future(asyncio.to_thread(relay_all, mq, lent, stop))
    try:
        return await asyncio.shield(relaying)
    finally:
        stop.set()
        while not relaying.done():
            # Cancelled. The connection is the application's again when the thread has let go of it.
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
