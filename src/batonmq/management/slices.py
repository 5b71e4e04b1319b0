"""Long work on the broker's loop, cut into slices between which the broker does its work."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from time import perf_counter
from typing import Final, TypeVar

__all__ = ["STRIDE", "Slices", "sliced"]

# How long a slice may take, in seconds: the longest delay for the broker's other work.
SLICE_SECONDS: Final = 0.001

# The clock is checked after every so many items.
STRIDE: Final = 8

_Item = TypeVar("_Item")


class Slices:
    """Measures a slice, and yields to the loop at its end."""

    __slots__ = ("_end",)

    def __init__(self) -> None:
        self._end = perf_counter() + SLICE_SECONDS

    @property
    def is_over(self) -> bool:
        """Is this slice's time used up?"""
        return perf_counter() >= self._end

    async def rest(self) -> None:
        """Yield to the loop, and begin another slice."""
        # Twice: input read in one pass of the loop is dispatched in the next.
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        self._end = perf_counter() + SLICE_SECONDS


async def sliced(items: Iterable[_Item], stride: int = STRIDE) -> AsyncIterator[_Item]:
    """The items one by one, yielding to the loop in between.

    They must not change meanwhile. ``stride``: the clock is checked after this many; use fewer if one item may take
    long.
    """
    slices = Slices()
    for number, item in enumerate(items):
        if number % stride == 0 and slices.is_over:
            await slices.rest()
        yield item
