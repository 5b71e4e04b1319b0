"""Work on the broker's own loop that takes long: cut into slices, between which the broker does its work."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from time import perf_counter
from typing import Final, TypeVar

__all__ = ["STRIDE", "Slices", "sliced"]

# How long a slice may take, in seconds. What comes meanwhile for the broker waits so long, at most.
SLICE_SECONDS: Final = 0.001

# How often the clock is looked at: every so many items.
STRIDE: Final = 8

_Item = TypeVar("_Item")


class Slices:
    """Tells when a slice is over, and gives the loop to others then."""

    __slots__ = ("_end",)

    def __init__(self) -> None:
        self._end = perf_counter() + SLICE_SECONDS

    @property
    def is_over(self) -> bool:
        """Has this slice taken its time?"""
        return perf_counter() >= self._end

    async def rest(self) -> None:
        """Let the loop do what else there is, and begin another slice."""
        # Twice: what a pass of the loop has read is dispatched in the next one.
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        self._end = perf_counter() + SLICE_SECONDS


async def sliced(items: Iterable[_Item], stride: int = STRIDE) -> AsyncIterator[_Item]:
    """The items one by one, with the loop free to do other things in between. They must not change meanwhile.

    ``stride``: after how many the clock is looked at; fewer where one alone may take long.
    """
    slices = Slices()
    for number, item in enumerate(items):
        if number % stride == 0 and slices.is_over:
            await slices.rest()
        yield item
