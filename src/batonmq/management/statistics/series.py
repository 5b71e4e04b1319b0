"""The samples of one object: for each of its counters as many as its geometry has slots.

A counter that was 0 until now takes no room, and one that fits takes 4 bytes a sample. A queue through which messages
go has five or six such counters: 3 KB with a minute, an hour and a day of samples. One that nobody uses takes 0.3 KB.
"""

from __future__ import annotations

from array import array
from functools import lru_cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from batonmq.management.statistics.rings import Geometry, Ring

__all__ = ["Series"]

NARROW: Final = "I"
WIDE: Final = "Q"
NARROW_MAX: Final = 2**32 - 1
WIDE_MAX: Final = 2**64 - 1


class Series:
    """The samples of one object. Before its first sample everything was 0."""

    __slots__ = ("_columns", "geometry", "last", "moved", "tick")

    def __init__(self, geometry: Geometry, columns: int, tick: int) -> None:
        """The object has that many counters; ``tick`` is the one before its first sample."""
        self.geometry = geometry
        self.last: Sequence[int] = (0,) * columns
        """The latest sample."""
        self.tick = tick
        """The tick of the latest sample."""
        self.moved = tick
        """The tick of the latest sample that differed from the one before."""
        self._columns: list[array[int] | None] | None = None

    @property
    def size(self) -> int:
        """The bytes of the samples."""
        return sum(column.itemsize * len(column) for column in self._columns or () if column is not None)

    def write(self, tick: int, values: Sequence[int]) -> None:
        """Add the sample of a later tick. Skipped ticks get the values before them."""
        columns = self._columns
        last = self.last
        if values != last:
            self.moved = tick
        if columns is None:
            if values == last:
                # No counter has ever changed: there is nothing to keep.
                self.tick = tick
                return
            columns = self._columns = [None] * len(values)
        kept, new = _places(self.geometry, self.tick, tick)
        for number, value in enumerate(values):
            column = columns[number]
            if column is None:
                if value == last[number]:
                    continue
                column = columns[number] = array(NARROW, bytes(4 * self.geometry.slots))
            value = min(max(value, 0), WIDE_MAX)
            if value > NARROW_MAX and column.typecode == NARROW:
                column = columns[number] = array(WIDE, column)
            for place in kept:
                column[place] = max(last[number], 0)
            for place in new:
                column[place] = value
        self.last = values
        self.tick = tick

    def value(self, ring: Ring, number: int, tick: int) -> int:
        """The value of a counter at that tick, or at the latest one before it in the ring.

        0 before the first sample; for ticks older than the ring, its oldest value.
        """
        column = self._columns[number] if self._columns is not None else None
        if column is None:
            return 0
        latest = self.tick // ring.step
        place = min(max(tick // ring.step, latest - ring.slots + 1), latest)
        return column[ring.at + place % ring.slots]

    def rate(self, number: int) -> float:
        """The change of a counter per tick, between the latest two samples of the finest ring."""
        ring = self.geometry.rings[0]
        return float(self.value(ring, number, self.tick) - self.value(ring, number, self.tick - 1))


@lru_cache(maxsize=64)
def _places(geometry: Geometry, before: int, tick: int) -> tuple[list[int], list[int]]:
    """The slots of the ticks skipped after ``before``, and those of ``tick``."""
    kept: list[int] = []
    new: list[int] = []
    for ring in geometry.rings:
        latest = tick // ring.step
        gap = min(latest - before // ring.step, ring.slots)
        if gap > 0:
            kept += [ring.at + (latest - back) % ring.slots for back in range(gap - 1, 0, -1)]
            new.append(ring.at + latest % ring.slots)
    return kept, new
