"""Opens the database of an outbox by its URL, for the command line."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from importlib.util import find_spec

from batonmq.api.outbox.database import Database
from batonmq.api.outbox.libraries import BUSY_SECONDS, database_of

__all__ = ["opener_of"]


def opener_of(url: str) -> Callable[[], Database]:
    """A function that opens a database.

    ``database`` is the path of an SQLite file, ``sqlite:///shop.db``, ``postgresql://...``, or a URL of SQLAlchemy with
    a driver.

    Raises ValueError for a file that is not there, a URL that names no such database, and a library that is missing.
    """
    scheme, separator, rest = url.partition("://")
    if not separator:
        return _of_file(url)
    if scheme == "sqlite":
        return _of_file(rest.removeprefix("/"))
    if scheme in ("postgresql", "postgres") and find_spec("psycopg") is not None:
        return _of_psycopg(url)
    if scheme.partition("+")[0] not in ("postgresql", "postgres", "sqlite"):
        raise ValueError(f"an outbox is in a database of SQLite or PostgreSQL, and the URL begins with {scheme}://")
    if find_spec("sqlalchemy") is None:
        raise ValueError(f"{scheme}:// needs psycopg or SQLAlchemy: pip install 'psycopg[binary]>=3.1'")
    return _of_sqlalchemy(url)


def _of_file(path: str) -> Callable[[], Database]:
    if not os.path.isfile(path):  # noqa: PTH113
        raise ValueError(f"there is no file {path!r}")
    # Autocommit, outside of explicit transactions.
    return lambda: database_of(sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None))


def _of_psycopg(url: str) -> Callable[[], Database]:
    import psycopg

    return lambda: database_of(psycopg.connect(url))


def _of_sqlalchemy(url: str) -> Callable[[], Database]:
    from sqlalchemy import create_engine
    from sqlalchemy.exc import SQLAlchemyError
    from sqlalchemy.pool import NullPool

    try:
        engine = create_engine(url, poolclass=NullPool)
    except (SQLAlchemyError, ImportError) as error:
        raise ValueError(str(error)) from None
    return lambda: database_of(engine.connect())
