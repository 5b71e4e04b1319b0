"""Applications with a table of orders, each with another library between itself and its database."""

from __future__ import annotations

import contextlib
import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager

import psycopg
import sqlalchemy
from sqlalchemy import orm

from batonmq.contrib.outbox import TABLE, create_table

INSERT = "INSERT INTO orders (number) VALUES ({})"


class Shop(ABC):
    """One of them. `connection` is what it has from its library."""

    connection: object

    def set_up(self) -> None:
        for table in ("orders", TABLE):
            self.write(f"DROP TABLE IF EXISTS {table}")
        self.write("CREATE TABLE orders (number INTEGER)")
        self.commit()
        create_table(self.connection)
        self.commit()

    @abstractmethod
    def write(self, statement: str) -> list[tuple[object, ...]]:
        """In the transaction that is open, or begins one as its library does."""

    @abstractmethod
    def commit(self) -> None: ...

    @abstractmethod
    def roll_back(self) -> None: ...

    @abstractmethod
    def begin(self) -> AbstractContextManager[object]:
        """A transaction of the application's own."""

    def order(self, number: int) -> None:
        self.write(INSERT.format(number))

    def numbers(self, table: str = "orders", column: str = "number") -> list[object]:
        """What is in a table, as others see it."""
        found = [row[0] for row in self.write(f"SELECT {column} FROM {table} ORDER BY 1")]
        self.roll_back()
        return found


class SqliteShop(Shop):
    def __init__(self, path: str, isolation_level: str | None = "") -> None:
        self.connection: sqlite3.Connection = sqlite3.connect(path, isolation_level=isolation_level)  # type: ignore[arg-type]
        self.connection.row_factory = sqlite3.Row

    def write(self, statement: str) -> list[tuple[object, ...]]:
        return [tuple(row) for row in self.connection.execute(statement)]

    def commit(self) -> None:
        self.connection.commit()

    def roll_back(self) -> None:
        self.connection.rollback()

    @contextlib.contextmanager
    def begin(self) -> Iterator[object]:
        self.connection.execute("BEGIN")
        with self.connection:
            yield self.connection


class PsycopgShop(Shop):
    def __init__(self, url: str) -> None:
        self.connection: psycopg.Connection[dict[str, object]] = psycopg.connect(url, row_factory=psycopg.rows.dict_row)

    def write(self, statement: str) -> list[tuple[object, ...]]:
        cursor = self.connection.execute(statement.encode())
        return [tuple(row.values()) for row in cursor] if cursor.description else []

    def commit(self) -> None:
        self.connection.commit()

    def roll_back(self) -> None:
        self.connection.rollback()

    def begin(self) -> AbstractContextManager[object]:
        return self.connection.transaction()


class _AlchemyShop(Shop):
    connection: orm.Session | sqlalchemy.Connection

    def write(self, statement: str) -> list[tuple[object, ...]]:
        result = self.connection.execute(sqlalchemy.text(statement))
        has_rows = isinstance(result, sqlalchemy.CursorResult) and result.returns_rows
        return [tuple(row) for row in result] if has_rows else []

    def commit(self) -> None:
        self.connection.commit()

    def roll_back(self) -> None:
        self.connection.rollback()

    def begin(self) -> AbstractContextManager[object]:
        return self.connection.begin()


class SessionShop(_AlchemyShop):
    def __init__(self, engine: sqlalchemy.Engine) -> None:
        self.connection = orm.Session(engine)


class ConnectionShop(_AlchemyShop):
    def __init__(self, engine: sqlalchemy.Engine) -> None:
        self.connection = engine.connect()
