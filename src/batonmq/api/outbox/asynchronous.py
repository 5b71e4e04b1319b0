"""What an outbox asks of an application's asynchronous connection, and how a relay, which is a thread, uses one."""

from __future__ import annotations

import asyncio
import contextlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine, Hashable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, TypeVar

from batonmq.api.outbox.database import Database
from batonmq.api.outbox.table import Dialect

__all__ = ["AsyncDatabase", "LoopDatabase"]

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


class LoopDatabase(Database):
    """An asynchronous connection of our own, with the loop that it lives in. Belongs to one thread."""

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
