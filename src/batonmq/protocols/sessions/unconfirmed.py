"""What is to be confirmed when the store has it."""

from __future__ import annotations

from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")


class Unconfirmed(Generic[T]):
    """Each entry waits for a batch of the store; they come and go in order, the eldest first."""

    __slots__ = ("_waiting",)

    def __init__(self) -> None:
        self._waiting: deque[tuple[int, T]] = deque()

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def add(self, batch: int, what: T) -> None:
        """This waits for that batch, which is no earlier than those of the others."""
        self._waiting.append((batch, what))

    def add_cumulative(self, batch: int, what: T) -> None:
        """This waits for that batch, and stands for all that wait for the same one."""
        waiting = self._waiting
        if waiting and waiting[-1][0] == batch:
            waiting[-1] = (batch, what)
        else:
            waiting.append((batch, what))

    def replace_last(self, what: T) -> None:
        """This waits in the place of the newest."""
        self._waiting[-1] = (self._waiting[-1][0], what)

    def take(self, batch: int) -> list[T]:
        """What waits for no more than this batch: it was committed, or failed."""
        taken: list[T] = []
        waiting = self._waiting
        while waiting and waiting[0][0] <= batch:
            taken.append(waiting.popleft()[1])
        return taken

    def clear(self) -> None:
        """Nobody is to be told any more."""
        self._waiting.clear()
