"""Sums over all objects, cached for a while if there are many, so that frequent scrapes cost no more."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from batonmq.clock import Clock

__all__ = ["Sums"]

# Reading one object and adding it up takes 10 us. Sums that are kept for so long by each object cost 2 % of a core at
# most: those over ten queues for 5 ms, those over ten thousand for 5 s.
SECONDS_FOR_EACH: Final = 0.0005


class Sums:
    """The sums of each kind of object, by the name of its first family."""

    __slots__ = ("_clock", "_kept")

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._kept: dict[str, tuple[float, Sequence[int | float]]] = {}

    def find(self, name: str) -> Sequence[int | float] | None:
        """The sums, if they are recent enough."""
        until, sums = self._kept.get(name, (0.0, ()))
        return sums if self._clock.monotonic() < until else None

    def keep(self, name: str, sums: Sequence[int | float], objects: int) -> None:
        """Store sums that were just computed, over that many objects."""
        self._kept[name] = self._clock.monotonic() + objects * SECONDS_FOR_EACH, sums
