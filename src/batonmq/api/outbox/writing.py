"""A block of an outbox in the application's transaction: through a connection that waits, or one that is awaited."""

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
    """Tells a relay that something was committed to a database, or may be soon."""

    def __call__(self, where: Hashable, opener: Callable[[], Database], /) -> None:
        """``where``: which database; ``opener``: what opens it."""


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
        """Commit what was begun here; or roll it back, if the block has raised."""
        transaction, self._transaction = self._transaction, None
        if transaction is not None:
            transaction.__exit__(*_ended(error))
            if error is None and self._has_written:
                self._when_sent()
        elif self._has_written and not self._database.when_committed(self._when_sent):
            self._when_sent()


class AsyncWriting:
    """Notes rows down, and writes them when the block ends: what is awaited in it is the application's."""

    def __init__(self, database: AsyncDatabase, tell: Tell | None) -> None:
        """``tell``: None: nobody relays here."""
        self._database = database
        self._tell = tell
        self._when_sent: Callable[[], None] = _nothing
        self._transaction: AbstractAsyncContextManager[object] | None = None
        self._rows: list[Row] = []

    async def begin(self) -> None:
        """Begin a transaction, unless the application has begun one. Raises ValueError where no relay could read."""
        self._rows.clear()
        was_in_transaction = self._database.in_transaction
        if self._tell is not None:
            # Asked for now: when something was committed, the application's connection may be closed.
            tell, (where, opener) = self._tell, await self._database.source()
            self._when_sent = lambda: tell(where, opener)
        if not was_in_transaction:
            transaction = self._database.transaction()
            await transaction.__aenter__()
            self._transaction = transaction

    def write(self, row: Row) -> None:
        """Note a message's row down."""
        self._rows.append(row)

    async def end(self, error: BaseException | None) -> None:
        """Write the rows and commit what was begun here; or roll it back, if the block has raised."""
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
    """How a block has ended, as context managers are told."""
    return (None, None, None) if error is None else (type(error), error, error.__traceback__)


def _say_what_makes_the_table(error: Exception) -> None:
    """Add a note to an error of the database that is about the table."""
    if TABLE in str(error):
        error.add_note(
            f"BatonMQ: is the table {TABLE} there? batonmq.contrib.outbox.create_table(connection), "
            "`batonmq outbox create`, or a migration makes it: see docs/outbox.md"
        )


def _nothing() -> None:
    """Nobody relays here."""
