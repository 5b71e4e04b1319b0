"""What an outbox needs from a database, whichever library the connection comes from."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Sequence
from contextlib import AbstractContextManager

from batonmq.api.outbox.table import Dialect

__all__ = ["Database", "Transactional", "with_marks"]


class Transactional(ABC):
    """A connection, as a relay uses it. Only one thread may use it at a time."""

    dialect: Dialect

    @property
    def file(self) -> str | None:
        """The file of an SQLite database; None: it is in memory, or not SQLite."""
        return None

    @abstractmethod
    def execute(self, statement: str, values: Sequence[object] = ()) -> list[Sequence[object]]:
        """Execute a statement in the open transaction; returns the rows that it found."""

    @property
    @abstractmethod
    def in_transaction(self) -> bool:
        """Has the application begun a transaction?"""

    @abstractmethod
    def transaction(self, *, writes: bool = True) -> AbstractContextManager[object]:
        """A transaction: committed when the block ends, rolled back when it raises.

        ``writes``: False if it only reads.
        """


class Database(Transactional):
    """An application's connection, or our own to the same database."""

    polls: bool = True
    """Must the table be polled? Not where every commit is reported and other processes poll."""

    @property
    @abstractmethod
    def where(self) -> Hashable:
        """The same for all connections to one database."""

    def when_committed(self, callback: Callable[[], None]) -> bool:
        """Call back when the open transaction has been committed; False: the library has no such hook."""
        return False

    @abstractmethod
    def opener(self) -> Callable[[], Database]:
        """A function that opens a connection of our own to the same database.

        The function works in any thread, and even when this connection has been closed.

        Raises ValueError for a database that only one connection can see.
        """

    @abstractmethod
    def close(self) -> None:
        """Close a connection from the opener."""


def with_marks(statement: str, mark: str) -> str:
    """The statement with a library's placeholders: ``?``, ``%s`` or numbered ``$``."""
    if mark == "?":
        return statement
    if mark != "$":
        return statement.replace("?", mark)
    first, *rest = statement.split("?")
    return first + "".join(f"${number}{part}" for number, part in enumerate(rest, 1))


def seen_by_one(what: str) -> ValueError:
    """The error for a database in memory, which no other connection can see."""
    return ValueError(
        f"{what} is in memory, where no relay can see what waits: use a file, or outbox(..., relay=False), and relay "
        "with batonmq.contrib.outbox.relay_now(mq, connection)"
    )
