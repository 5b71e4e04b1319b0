"""A shop for each library and database, and queues."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy
from tests.contrib.outbox.shops import ConnectionShop, PsycopgShop, SessionShop, Shop, SqliteShop
from tests.support.postgres import Postgres

import batonmq


@pytest.fixture(scope="session")
def shop_url(postgres: Postgres) -> Iterator[str]:
    """A database of PostgreSQL, where whoever comes deletes what was there before."""
    with postgres.database("shop") as url:
        yield url


@contextlib.contextmanager
def _engine(url: str) -> Iterator[sqlalchemy.Engine]:
    engine = sqlalchemy.create_engine(url)
    try:
        yield engine
    finally:
        engine.dispose()


KINDS = (
    *("sqlite3", "sqlite3-autocommit", "sqlalchemy-session-sqlite", "sqlalchemy-connection-sqlite"),
    *("psycopg", "sqlalchemy-session-postgresql", "sqlalchemy-connection-postgresql"),
)


@pytest.fixture(params=KINDS)
def shop(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Shop]:
    kind: str = request.param
    file = str(tmp_path / "shop.db")
    with contextlib.ExitStack() as stack:
        url = f"sqlite:///{file}"
        if kind == "psycopg" or kind.endswith("postgresql"):
            url = request.getfixturevalue("shop_url")
        made: Shop
        if kind.startswith("sqlite3"):
            made = SqliteShop(file, None if kind.endswith("autocommit") else "")
            stack.callback(made.connection.close)
        elif kind == "psycopg":
            made = PsycopgShop(url)
            stack.callback(made.connection.close)
        else:
            engine = stack.enter_context(_engine(url.replace("postgresql:", "postgresql+psycopg:")))
            made = SessionShop(engine) if "session" in kind else ConnectionShop(engine)
            stack.callback(made.connection.close)
        made.set_up()
        yield made


@pytest.fixture
def mq() -> Iterator[batonmq.Connection]:
    with batonmq.connect("memory:outbox") as mq:
        mq.declare("orders", deduplication=3600)
        yield mq
