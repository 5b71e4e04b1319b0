"""What an outbox asks of an application's asynchronous connection, and how a relay, which is in a thread, uses one."""

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
        """Execute a statement in the open transaction; tells the rows that it has found."""

    @property
    @abstractmethod
    def in_transaction(self) -> bool:
        """Has the application begun a transaction?"""

    @abstractmethod
    def transaction(self, *, writes: bool = True) -> AbstractAsyncContextManager[object]:
        """A transaction: committed when the block ends, rolled back when it raises. ``writes``: or only reads."""

    async def file(self) -> str | None:
        """The file of a database of SQLite; None: it is in memory, or no SQLite."""
        return None

    def when_committed(self, callback: Callable[[], None]) -> bool:
        """Call back when the open transaction has been committed; False: that cannot be had."""
        return False

    @abstractmethod
    async def source(self) -> tuple[Hashable, Callable[[], Database]]:
        """What is the same for all connections to one database, and what opens one of our own in a thread.

        Raises ValueError for a database that only one connection can see.
        """

    async def close(self) -> None:
        """Close what was opened for a relay."""
        raise NotImplementedError


class AwaitedDatabase(Transactional):
    """An asynchronous connection as a thread uses one. Belongs to that thread."""

    _below: AsyncDatabase

    @abstractmethod
    def _done(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """What comes of it in the loop that the connection lives in."""

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
        """In the loop of the connection. ``file``: that of a database of SQLite."""
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
        """``opened`` makes the connection, in the loop. ``where``: which database that is."""
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
