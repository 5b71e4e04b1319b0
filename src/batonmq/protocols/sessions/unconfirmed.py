"""Confirms that wait for the store."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterator

T = TypeVar("T")

# A run of publishes is noted in pieces of this many at most. While commits are put off, each is a batch of its own,
# which is confirmed once consumers have settled it: a publisher that fills its window in one turn hears of the first
# pieces while the consumer waits for more.
RUN_MOST: Final = 128


class Unconfirmed(Generic[T]):
    """A queue of entries, each of which waits for a batch of the store."""

    __slots__ = ("_waiting",)

    def __init__(self) -> None:
        self._waiting: deque[tuple[int, T]] = deque()

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def __iter__(self) -> Iterator[T]:
        return (what for _, what in self._waiting)

    def add(self, batch: int, what: T) -> None:
        """Let an entry wait for that batch, which is no earlier than those of the others."""
        self._waiting.append((batch, what))

    def add_cumulative(self, batch: int, what: T) -> None:
        """Let an entry wait for that batch, replacing one that waits for the same batch, if any."""
        waiting = self._waiting
        if waiting and waiting[-1][0] == batch:
            waiting[-1] = (batch, what)
        else:
            waiting.append((batch, what))

    def replace_last(self, what: T) -> None:
        """Replace the newest entry."""
        self._waiting[-1] = (self._waiting[-1][0], what)

    def take(self, batch: int) -> list[T]:
        """Take the entries waiting for batches up to this one, which was committed or has failed."""
        taken: list[T] = []
        waiting = self._waiting
        while waiting and waiting[0][0] <= batch:
            taken.append(waiting.popleft()[1])
        return taken

    def clear(self) -> None:
        """Drop all entries."""
        self._waiting.clear()
