"""Asynchronous connections of SQLAlchemy, psycopg, asyncpg and aiosqlite.

They are recognized by shape: none of these libraries is imported unless the application uses it.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable, Hashable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Final, cast

from batonmq.api.outbox.asynchronous import AsyncDatabase, LoopDatabase
from batonmq.api.outbox.database import Database, seen_by_one, with_marks
from batonmq.api.outbox.libraries import PsycopgDatabase, SqlalchemyDatabase, sqlite_opener

__all__ = ["ASYNCHRONOUS", "async_database_of"]


def async_database_of(connection: object) -> AsyncDatabase | None:
    """The database behind an asynchronous connection or session; None: it is of another kind."""
    for each in type(connection).__mro__:
        make = ASYNCHRONOUS.get(f"{each.__module__}.{each.__qualname__}")
        if make is not None:
            return make(connection)
    return None


class AlchemyAsyncDatabase(AsyncDatabase):
    """An AsyncConnection of SQLAlchemy, or the connection of an AsyncSession."""

    def __init__(self, owner: Any, *, is_session: bool) -> None:  # noqa: ANN401
        self._owner = owner
        self._is_session = is_session
        # The synchronous session inside knows the dialect and the events.
        self._below = SqlalchemyDatabase(
            owner.sync_session if is_session else owner.sync_connection, is_session=is_session
        )
        self.dialect = self._below.dialect

    async def execute(self, statement: str, values: Sequence[object] = ()) -> list[Sequence[object]]:
        connection = await self._owner.connection() if self._is_session else self._owner
        result = await connection.exec_driver_sql(self._below.marked(statement), tuple(values))
        return [tuple(row) for row in result] if result.returns_rows else []

    @property
    def in_transaction(self) -> bool:
        return bool(self._owner.in_transaction())

    def transaction(self, *, writes: bool = True) -> AbstractAsyncContextManager[object]:
        made: AbstractAsyncContextManager[object] = self._owner.begin()
        return made

    async def file(self) -> str | None:
        return self._below.file

    def when_committed(self, callback: Callable[[], None]) -> bool:
        return self._below.when_committed(callback)

    async def source(self) -> tuple[Hashable, Callable[[], Database]]:
        where, engine = self._below.where, self._below.engine
        if self.dialect == "sqlite":
            if self._below.file is None:
                raise seen_by_one(f"the database of {engine.url!r}")
            return where, sqlite_opener(self._below.file)

        async def opened() -> AsyncDatabase:
            from sqlalchemy.engine import Engine
            from sqlalchemy.ext.asyncio import AsyncEngine

            # A new pool with the arguments of the application's, since connections belong to the loop that made them.
            own = AsyncEngine(Engine(engine.pool.recreate(), engine.dialect, engine.url))
            try:
                return _OwnConnection(await own.connect(), own)
            except BaseException:
                await own.dispose()
                raise

        return where, lambda: LoopDatabase(opened, where)


class _OwnConnection(AlchemyAsyncDatabase):
    """An AsyncConnection opened by a relay."""

    def __init__(self, connection: Any, engine: Any) -> None:  # noqa: ANN401
        super().__init__(connection, is_session=False)
        self._engine = engine

    async def close(self) -> None:
        try:
            await self._owner.close()
        finally:
            await self._engine.dispose()


class PsycopgAsyncDatabase(AsyncDatabase):
    """An AsyncConnection of psycopg 3. A relay uses the library's synchronous connection."""

    dialect = "postgresql"

    def __init__(self, connection: Any) -> None:  # noqa: ANN401
        self._connection = connection

    async def execute(self, statement: str, values: Sequence[object] = ()) -> list[Sequence[object]]:
        from psycopg.rows import tuple_row

        async with self._connection.cursor(row_factory=tuple_row) as cursor:
            await cursor.execute(with_marks(statement, "%s"), values)
            return list(await cursor.fetchall()) if cursor.description is not None else []

    @property
    def in_transaction(self) -> bool:
        return bool(self._connection.info.transaction_status)

    def transaction(self, *, writes: bool = True) -> AbstractAsyncContextManager[object]:
        made: AbstractAsyncContextManager[object] = self._connection.transaction()
        return made

    async def source(self) -> tuple[Hashable, Callable[[], Database]]:
        import psycopg

        info = self._connection.info
        parameters = dict(info.get_parameters())
        if info.password:
            parameters["password"] = info.password
        where = "postgresql", info.host, info.port, info.dbname, info.user
        return where, lambda: PsycopgDatabase(cast("Any", psycopg.connect)(**parameters))


class AsyncpgDatabase(AsyncDatabase):
    """A connection of asyncpg, or one of its pools. It does not reveal how it was opened, so no thread can relay."""

    dialect = "postgresql"

    def __init__(self, connection: Any) -> None:  # noqa: ANN401
        self._connection = connection

    async def execute(self, statement: str, values: Sequence[object] = ()) -> list[Sequence[object]]:
        return [tuple(row) for row in await self._connection.fetch(with_marks(statement, "$"), *values)]

    @property
    def in_transaction(self) -> bool:
        return bool(self._connection.is_in_transaction())

    def transaction(self, *, writes: bool = True) -> AbstractAsyncContextManager[object]:
        made: AbstractAsyncContextManager[object] = self._connection.transaction()
        return made

    async def source(self) -> tuple[Hashable, Callable[[], Database]]:
        raise ValueError(
            "a connection of asyncpg does not tell how it was opened: give relay=False and run `batonmq outbox relay`, "
            "or use asyncpg through SQLAlchemy"
        )


class AiosqliteDatabase(AsyncDatabase):
    """A connection of aiosqlite. A relay uses sqlite3."""

    dialect = "sqlite"

    def __init__(self, connection: Any) -> None:  # noqa: ANN401
        self._connection = connection

    async def execute(self, statement: str, values: Sequence[object] = ()) -> list[Sequence[object]]:
        async with self._connection.cursor() as cursor:
            # The application may have set a row factory.
            cursor.row_factory = None
            await cursor.execute(statement, values)
            return list(await cursor.fetchall())

    @property
    def in_transaction(self) -> bool:
        return bool(self._connection.in_transaction)

    @contextlib.asynccontextmanager
    async def transaction(self, *, writes: bool = True) -> AsyncIterator[None]:
        await self.execute("BEGIN IMMEDIATE" if writes else "BEGIN")
        try:
            yield
            await self.execute("COMMIT")
        except BaseException:
            if self.in_transaction:
                await self.execute("ROLLBACK")
            raise

    async def file(self) -> str | None:
        rows = await self.execute("PRAGMA database_list")
        return next((str(row[2]) for row in rows if row[1] == "main"), "") or None

    async def source(self) -> tuple[Hashable, Callable[[], Database]]:
        file = await self.file()
        if file is None:
            raise seen_by_one("this database")
        return ("sqlite", file), sqlite_opener(file)


ASYNCHRONOUS: Final[dict[str, Callable[[Any], AsyncDatabase]]] = {
    "aiosqlite.core.Connection": AiosqliteDatabase,
    "asyncpg.connection.Connection": AsyncpgDatabase,
    "asyncpg.pool.PoolConnectionProxy": AsyncpgDatabase,
    "psycopg.AsyncConnection": PsycopgAsyncDatabase,
    "psycopg.connection_async.AsyncConnection": PsycopgAsyncDatabase,
    "sqlalchemy.ext.asyncio.engine.AsyncConnection": lambda one: AlchemyAsyncDatabase(one, is_session=False),
    "sqlalchemy.ext.asyncio.session.AsyncSession": lambda one: AlchemyAsyncDatabase(one, is_session=True),
    "sqlalchemy.ext.asyncio.scoping.async_scoped_session": lambda one: AlchemyAsyncDatabase(one(), is_session=True),
}
