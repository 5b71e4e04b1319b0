"""A block of an outbox in the application's transaction, over a blocking or an asynchronous connection."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from types import TracebackType
from typing import Protocol

from batonmq.api.outbox.asynchronous import AsyncDatabase
from batonmq.api.outbox.database import Database
from batonmq.api.outbox.table import INSERT, TABLE

__all__ = ["AsyncWriting", "Row", "Tell", "Writing"]

Row = tuple[object, ...]
Nones = tuple[None, None, None]


class Tell(Protocol):
    """Tells a relay that messages were committed to a database, or may be soon."""

    def __call__(self, where: Hashable, opener: Callable[[], Database], /) -> None:
        """``where`` identifies the database; ``opener`` opens it."""


class Writing:
    """Writes rows at once."""

    def __init__(self, database: Database, when_sent: Callable[[], None]) -> None:
        self._database = database
        self._when_sent = when_sent
        self._transaction: AbstractContextManager[object] | None = None
        self._has_written = False

    def begin(self) -> None:
        """Begin a transaction, unless the application has begun one."""
        self._has_written = False
        if not self._database.in_transaction:
            self._transaction = self._database.transaction()
            self._transaction.__enter__()

    def write(self, row: Row) -> None:
        """Write a message's row."""
        try:
            self._database.execute(INSERT, row)
        except Exception as error:
            _say_what_makes_the_table(error)
            raise
        self._has_written = True

    def end(self, error: BaseException | None) -> None:
        """Commit the transaction begun here; or roll it back, if the block has raised."""
        transaction, self._transaction = self._transaction, None
        if transaction is not None:
            transaction.__exit__(*_ended(error))
            if error is None and self._has_written:
                self._when_sent()
        elif self._has_written and not self._database.when_committed(self._when_sent):
            self._when_sent()


class AsyncWriting:
    """Collects rows, and writes them when the block ends: inside the block only the application awaits."""

    def __init__(self, database: AsyncDatabase, tell: Tell | None) -> None:
        """``tell``: None when no relay runs here."""
        self._database = database
        self._tell = tell
        self._when_sent: Callable[[], None] = _nothing
        self._transaction: AbstractAsyncContextManager[object] | None = None
        self._rows: list[Row] = []

    async def begin(self) -> None:
        """Begin a transaction, unless the application has begun one.

        Raises ValueError for a database that no relay could read.
        """
        self._rows.clear()
        was_in_transaction = self._database.in_transaction
        if self._tell is not None:
            # Fetched now: after the commit the application's connection may be closed.
            tell, (where, opener) = self._tell, await self._database.source()
            self._when_sent = lambda: tell(where, opener)
        if not was_in_transaction:
            transaction = self._database.transaction()
            await transaction.__aenter__()
            self._transaction = transaction

    def write(self, row: Row) -> None:
        """Collect a message's row."""
        self._rows.append(row)

    async def end(self, error: BaseException | None) -> None:
        """Write the rows and commit the transaction begun here; or roll it back, if the block has raised."""
        transaction, self._transaction = self._transaction, None
        if error is None:
            try:
                await self._write_all()
            except BaseException as failure:
                if transaction is not None:
                    await transaction.__aexit__(*_ended(failure))
                raise
        has_written = bool(self._rows) and error is None
        if transaction is not None:
            await transaction.__aexit__(*_ended(error))
            if has_written:
                self._when_sent()
        elif has_written and not self._database.when_committed(self._when_sent):
            self._when_sent()

    async def _write_all(self) -> None:
        try:
            for row in self._rows:
                await self._database.execute(INSERT, row)
        except Exception as error:
            _say_what_makes_the_table(error)
            raise


def _ended(error: BaseException | None) -> tuple[type[BaseException], BaseException, TracebackType | None] | Nones:
    """How a block has ended, in the terms of context managers."""
    return (None, None, None) if error is None else (type(error), error, error.__traceback__)


def _say_what_makes_the_table(error: Exception) -> None:
    """Add a note to a database error that concerns the table."""
    if TABLE in str(error):
        error.add_note(
            f"BatonMQ: is the table {TABLE} there? batonmq.contrib.outbox.create_table(connection), "
            "`batonmq outbox create`, or a migration makes it: see docs/outbox.md"
        )


def _nothing() -> None:
    """Do nothing, as no relay runs here."""
