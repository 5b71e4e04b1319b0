"""Creates the table of an outbox, and counts the messages in it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from batonmq.api.outbox.libraries import database_of
from batonmq.api.outbox.table import COUNT, TABLE, create_statements

if TYPE_CHECKING:
    from sqlalchemy import MetaData, Table

__all__ = ["WaitingMessages", "counted", "create_table", "outbox_table", "waiting"]


def create_table(connection: object) -> None:
    """Create the table ``batonmq_outbox`` unless it exists.

    ``connection``: as for ``Connection.outbox``. If it is in a transaction, this is part of it; otherwise it is
    committed. Raises TypeError for anything but such a connection, and the database's errors.
    """
    database = database_of(connection)
    statements = create_statements(database.dialect)
    if database.in_transaction:
        for statement in statements:
            database.execute(statement)
        return
    with database.transaction():
        for statement in statements:
            database.execute(statement)


def outbox_table(metadata: MetaData) -> Table:
    """Add the table to SQLAlchemy's metadata, so that ``create_all`` and Alembic create it; return it."""
    try:
        from sqlalchemy import BigInteger, Column, Double, Identity, Integer, LargeBinary, String, Table
    except ImportError as error:
        raise ImportError("outbox_table needs SQLAlchemy: pip install 'sqlalchemy>=2'") from error

    return Table(
        TABLE,
        metadata,
        Column("id", BigInteger().with_variant(Integer(), "sqlite"), Identity(), primary_key=True),
        Column("queue", String(255), nullable=False),
        Column("message_id", String(255), nullable=False),
        Column("properties", LargeBinary(), nullable=False),
        Column("body", LargeBinary(), nullable=False),
        Column("delay", Double(), nullable=False),
        Column("created_at", Double(), nullable=False),
        # Without AUTOINCREMENT an id may be reused, and a relay would delete a message that it has never seen.
        sqlite_autoincrement=True,
    )


@dataclass(frozen=True, slots=True)
class WaitingMessages:
    """The messages in an outbox for one queue, counted."""

    queue: str
    """The name of the queue."""
    count: int
    """How many there are, 1 or more."""
    since: float
    """When the oldest was written, in seconds since the epoch."""


def waiting(connection: object) -> list[WaitingMessages]:
    """Count the messages in the table, by queue.

    Raises TypeError for anything but a connection, and the database's errors.
    """
    return counted(database_of(connection).execute(COUNT))


def counted(found: Iterable[Sequence[object]]) -> list[WaitingMessages]:
    """The rows that the statement ``COUNT`` returned."""
    return [WaitingMessages(str(queue), int(str(count)), float(str(since))) for queue, count, since in found]
