"""What an outbox needs from an asynchronous connection, and how a relay uses one from its thread."""

from __future__ import annotations

import asyncio
import contextlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine, Hashable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, TypeVar

from batonmq.api.outbox.database import Database, Transactional
from batonmq.api.outbox.table import Dialect

__all__ = ["AsyncDatabase", "LentDatabase", "LoopDatabase"]

T = TypeVar("T")


class AsyncDatabase(ABC):
    """An application's asynchronous connection or session. It belongs to the task that has it."""

    dialect: Dialect

    @abstractmethod
    async def execute(self, statement: str, values: Sequence[object] = ()) -> list[Sequence[object]]:
        """Execute a statement in the open transaction; returns the rows that it found."""

    @property
    @abstractmethod
    def in_transaction(self) -> bool:
        """Has the application begun a transaction?"""

    @abstractmethod
    def transaction(self, *, writes: bool = True) -> AbstractAsyncContextManager[object]:
        """A transaction: committed when the block ends, rolled back when it raises.

        ``writes``: False if it only reads.
        """

    async def file(self) -> str | None:
        """The file of an SQLite database; None: it is in memory, or not SQLite."""
        return None

    def when_committed(self, callback: Callable[[], None]) -> bool:
        """Call back when the open transaction has been committed; False: the library has no such hook."""
        return False

    @abstractmethod
    async def source(self) -> tuple[Hashable, Callable[[], Database]]:
        """The identity of the database, the same for all connections to it, and a function that opens one in a thread.

        Raises ValueError for a database that only one connection can see.
        """

    async def close(self) -> None:
        """Close a connection that was opened for a relay."""
        raise NotImplementedError


class AwaitedDatabase(Transactional):
    """An asynchronous connection as a thread uses one. Belongs to that thread."""

    _below: AsyncDatabase

    @abstractmethod
    def _done(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run it in the connection's loop, and return its result."""

    def execute(self, statement: str, values: Sequence[object] = ()) -> list[Sequence[object]]:
        return self._done(self._below.execute(statement, values))

    @property
    def in_transaction(self) -> bool:
        return self._below.in_transaction

    @contextlib.contextmanager
    def transaction(self, *, writes: bool = True) -> Iterator[None]:
        block = self._below.transaction(writes=writes)
        self._done(_entered(block))
        try:
            yield
        except BaseException as error:
            self._done(_left(block, error))
            raise
        self._done(_left(block, None))


class LentDatabase(AwaitedDatabase):
    """The application's own connection, while the task that has it waits for the thread."""

    def __init__(self, below: AsyncDatabase, file: str | None) -> None:
        """To be created in the connection's loop. ``file``: that of an SQLite database."""
        self._below = below
        self._loop = asyncio.get_running_loop()
        self._file = file
        self.dialect = below.dialect

    def _done(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()

    @property
    def file(self) -> str | None:
        return self._file


class LoopDatabase(AwaitedDatabase, Database):
    """An asynchronous connection of our own, with the loop that it lives in."""

    def __init__(self, opened: Callable[[], Coroutine[Any, Any, AsyncDatabase]], where: Hashable) -> None:
        """``opened`` opens the connection, in the loop. ``where`` identifies the database."""
        self._loop = asyncio.new_event_loop()
        self._where = where
        try:
            self._below = self._done(opened())
        except BaseException:
            self._loop.close()
            raise
        self.dialect = self._below.dialect

    def _done(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return self._loop.run_until_complete(coroutine)

    @property
    def where(self) -> Hashable:
        return self._where

    def opener(self) -> Callable[[], Database]:
        raise ValueError("a connection of our own is opened by what opened this one")

    def close(self) -> None:
        try:
            self._done(self._below.close())
        finally:
            self._loop.close()


async def _entered(block: AbstractAsyncContextManager[object]) -> None:
    await block.__aenter__()


async def _left(block: AbstractAsyncContextManager[object], error: BaseException | None) -> None:
    await block.__aexit__(None if error is None else type(error), error, None)
