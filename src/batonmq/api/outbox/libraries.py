"""Connections of sqlite3, psycopg, SQLAlchemy and Django.

They are recognized by shape: none of these libraries is imported unless the application uses it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any

from batonmq.api.outbox.database import Database, seen_by_one, with_marks

__all__ = ["PsycopgDatabase", "SqlalchemyDatabase", "SqliteDatabase", "database_of", "sqlite_opener"]

# Seconds that a relay waits for another writer of the file.
BUSY_SECONDS = 30.0


def database_of(connection: object) -> Database:
    """The database behind an application's connection or session. Raises TypeError for anything else."""
    if isinstance(connection, Database):
        return connection
    names = {f"{each.__module__}.{each.__qualname__}" for each in type(connection).__mro__}
    for name, make in _BY_CLASS.items():
        if name in names:
            return make(connection)
    if any(name.split(".")[0] == "django" for name in names) and hasattr(connection, "alias"):
        return DjangoDatabase(connection)
    hint = ""
    if any(name.startswith(("aiosqlite.", "asyncpg.")) or "Async" in name.rsplit(".", 1)[-1] for name in names):
        hint = ": it is asynchronous, and batonmq.contrib.outbox.aio has the same for those"
    raise TypeError(
        "an outbox takes a connection of sqlite3, psycopg, Django, aiosqlite or asyncpg, or a Session or Connection of "
        f"SQLAlchemy, not {type(connection).__module__}.{type(connection).__qualname__}{hint}"
    )


class SqliteDatabase(Database):
    """A connection of sqlite3."""

    dialect = "sqlite"

    def __init__(self, connection: Any) -> None:  # noqa: ANN401
        self._connection = connection
        rows = self.execute("PRAGMA database_list")
        self._file = next((str(row[2]) for row in rows if row[1] == "main"), "")

    @property
    def where(self) -> Hashable:
        return "sqlite", self._file or id(self._connection)

    @property
    def file(self) -> str | None:
        return self._file or None

    def execute(self, statement: str, values: Sequence[object] = ()) -> list[Sequence[object]]:
        cursor = self._connection.cursor()
        # The application may have set a row factory.
        cursor.row_factory = None
        with contextlib.closing(cursor):
            found: list[Sequence[object]] = cursor.execute(statement, values).fetchall()
        return found

    @property
    def in_transaction(self) -> bool:
        return bool(self._connection.in_transaction)

    @contextlib.contextmanager
    def transaction(self, *, writes: bool = True) -> Iterator[None]:
        # By statements, since `commit` depends on the connection's mode. BEGIN IMMEDIATE, since a transaction that
        # begins by reading may be refused its first write.
        self.execute("BEGIN IMMEDIATE" if writes else "BEGIN")
        try:
            yield
            self.execute("COMMIT")
        except BaseException:
            if self.in_transaction:
                self.execute("ROLLBACK")
            raise

    def opener(self) -> Callable[[], Database]:
        if not self._file:
            raise seen_by_one("this database")
        return sqlite_opener(self._file)

    def close(self) -> None:
        self._connection.close()


def sqlite_opener(file: str) -> Callable[[], Database]:
    """A function that opens a file with sqlite3."""
    from importlib import import_module

    connect = import_module("sqlite3").connect
    return lambda: SqliteDatabase(connect(file, timeout=BUSY_SECONDS, isolation_level=None))


class PsycopgDatabase(Database):
    """A connection of psycopg 3."""

    dialect = "postgresql"

    def __init__(self, connection: Any) -> None:  # noqa: ANN401
        self._connection = connection

    @property
    def where(self) -> Hashable:
        info = self._connection.info
        return "postgresql", info.host, info.port, info.dbname, info.user

    def execute(self, statement: str, values: Sequence[object] = ()) -> list[Sequence[object]]:
        from psycopg.rows import tuple_row

        with self._connection.cursor(row_factory=tuple_row) as cursor:
            cursor.execute(with_marks(statement, "%s"), values)
            return cursor.fetchall() if cursor.description is not None else []

    @property
    def in_transaction(self) -> bool:
        return bool(self._connection.info.transaction_status)

    def transaction(self, *, writes: bool = True) -> AbstractContextManager[object]:
        made: AbstractContextManager[object] = self._connection.transaction()
        return made

    def opener(self) -> Callable[[], Database]:
        info = self._connection.info
        # With the same class, since a subclass may set up its connections.
        connect, parameters = type(self._connection).connect, dict(info.get_parameters())
        if info.password:
            parameters["password"] = info.password
        return lambda: PsycopgDatabase(connect(**parameters))

    def close(self) -> None:
        self._connection.close()


class SqlalchemyDatabase(Database):
    """A Connection of SQLAlchemy, or the connection of a Session."""

    def __init__(self, owner: Any, *, is_session: bool) -> None:  # noqa: ANN401
        self._owner = owner
        self._is_session = is_session
        bind = owner.get_bind() if is_session else owner
        self.engine = bind.engine
        dialect = self.engine.dialect
        if dialect.name not in ("sqlite", "postgresql"):
            raise TypeError(f"an outbox is in a database of SQLite or PostgreSQL, not of {dialect.name}")
        self.dialect = dialect.name
        self._mark = {"qmark": "?", "numeric_dollar": "$"}.get(dialect.paramstyle, "%s")

    def marked(self, statement: str) -> str:
        """The statement with the driver's placeholders."""
        return with_marks(statement, self._mark)

    @property
    def where(self) -> Hashable:
        return "sqlalchemy", self.engine.url, self.file or id(self.engine) if self.dialect == "sqlite" else None

    @property
    def file(self) -> str | None:
        name = self.engine.url.database
        is_file = self.dialect == "sqlite" and name and ":memory:" not in name and "mode=memory" not in name
        return str(name).removeprefix("file:").partition("?")[0] if is_file else None

    def execute(self, statement: str, values: Sequence[object] = ()) -> list[Sequence[object]]:
        connection = self._owner.connection() if self._is_session else self._owner
        result = connection.exec_driver_sql(self.marked(statement), tuple(values))
        return [tuple(row) for row in result] if result.returns_rows else []

    @property
    def in_transaction(self) -> bool:
        return bool(self._owner.in_transaction())

    def transaction(self, *, writes: bool = True) -> AbstractContextManager[object]:
        made: AbstractContextManager[object] = self._owner.begin()
        return made

    def when_committed(self, callback: Callable[[], None]) -> bool:
        if not self._is_session:
            return False
        from sqlalchemy import event

        event.listen(self._owner, "after_commit", lambda _session: callback(), once=True)
        return True

    def opener(self) -> Callable[[], Database]:
        if self.dialect == "sqlite" and self.file is None:
            raise seen_by_one(f"the database of {self.engine.url!r}")
        engine = self.engine

        def opened() -> Database:
            connection = engine.connect()
            # Detached: it takes no place in the application's pool, and is really closed even if the pool is gone by
            # then.
            connection.detach()
            return SqlalchemyDatabase(connection, is_session=False)

        return opened

    def close(self) -> None:
        self._owner.close()


class DjangoDatabase(Database):
    """A connection of Django: ``django.db.connection``, or one of ``django.db.connections``."""

    polls = False

    def __init__(self, connection: Any) -> None:  # noqa: ANN401
        if connection.vendor not in ("sqlite", "postgresql"):
            raise TypeError(f"an outbox is in a database of SQLite or PostgreSQL, not of {connection.vendor}")
        self.dialect = connection.vendor
        self._alias: str = connection.alias
        self._connection = connection

    @property
    def where(self) -> Hashable:
        return "django", self._alias

    @property
    def file(self) -> str | None:
        if self.dialect != "sqlite":
            return None
        # In memory, Django shares it among its threads.
        name = str(self._connection.settings_dict["NAME"])
        return None if ":memory:" in name or "mode=memory" in name else name.removeprefix("file:").partition("?")[0]

    def execute(self, statement: str, values: Sequence[object] = ()) -> list[Sequence[object]]:
        with self._connection.cursor() as cursor:
            cursor.execute(with_marks(statement, "%s"), tuple(values))
            return list(cursor.fetchall()) if cursor.description is not None else []

    @property
    def in_transaction(self) -> bool:
        return bool(self._connection.in_atomic_block)

    def transaction(self, *, writes: bool = True) -> AbstractContextManager[object]:
        from django.db import transaction

        made: AbstractContextManager[object] = transaction.atomic(using=self._alias)
        return made

    def when_committed(self, callback: Callable[[], None]) -> bool:
        from django.db import transaction

        transaction.on_commit(callback, using=self._alias)
        return True

    def opener(self) -> Callable[[], Database]:
        from django.db import connections

        alias = self._alias
        # Each thread has its own.
        return lambda: DjangoDatabase(connections[alias])

    def close(self) -> None:
        self._connection.close()


def _of_session(session: Any) -> Database:  # noqa: ANN401
    return SqlalchemyDatabase(session, is_session=True)


_BY_CLASS: dict[str, Callable[[Any], Database]] = {
    "sqlite3.Connection": SqliteDatabase,
    "psycopg.Connection": PsycopgDatabase,
    "sqlalchemy.orm.session.Session": _of_session,
    "sqlalchemy.orm.scoping.scoped_session": lambda scoped: _of_session(scoped()),
    "sqlalchemy.engine.base.Connection": lambda connection: SqlalchemyDatabase(connection, is_session=False),
}
