"""What an outbox asks of a database, whichever library the application has its connection from."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Sequence
from contextlib import AbstractContextManager

from batonmq.api.outbox.table import Dialect

__all__ = ["Database", "Transactional", "with_marks"]


class Transactional(ABC):
    """What a relay needs of a connection. It belongs to whoever has it: nobody else may use it at the same time."""

    dialect: Dialect

    @property
    def file(self) -> str | None:
        """The file of a database of SQLite; None: it is in memory, or no SQLite."""
        return None

    @abstractmethod
    def execute(self, statement: str, values: Sequence[object] = ()) -> list[Sequence[object]]:
        """Execute a statement in the open transaction; tells the rows that it has found."""

    @property
    @abstractmethod
    def in_transaction(self) -> bool:
        """Has the application begun a transaction?"""

    @abstractmethod
    def transaction(self, *, writes: bool = True) -> AbstractContextManager[object]:
        """A transaction: committed when the block ends, rolled back when it raises. ``writes``: or only reads."""


class Database(Transactional):
    """An application's connection, or one of our own to the same database."""

    polls: bool = True
    """Is the table to be looked at now and then? Not where each commit is told of, and others look."""

    @property
    @abstractmethod
    def where(self) -> Hashable:
        """The same for all connections to one database."""

    def when_committed(self, callback: Callable[[], None]) -> bool:
        """Call back when the open transaction has been committed; False: that cannot be had."""
        return False

    @abstractmethod
    def opener(self) -> Callable[[], Database]:
        """What opens a connection of our own to the same database, in whichever thread, when this one may be closed.

        Raises ValueError for a database that only one connection can see.
        """

    @abstractmethod
    def close(self) -> None:
        """Close what the opener has opened."""


def with_marks(statement: str, mark: str) -> str:
    """The statement with the marks of a library: ``?``, ``%s`` or ``$``, which is numbered."""
    if mark == "?":
        return statement
    if mark != "$":
        return statement.replace("?", mark)
    first, *rest = statement.split("?")
    return first + "".join(f"${number}{part}" for number, part in enumerate(rest, 1))


def seen_by_one(what: str) -> ValueError:
    """For a database in memory."""
    return ValueError(
        f"{what} is in memory, where no relay can see what waits: use a file, or outbox(..., relay=False), and relay "
        "with batonmq.contrib.outbox.relay_now(mq, connection)"
    )
