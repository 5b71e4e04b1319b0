"""How often each point of `batonmq.points` was passed, in a file that processes which are killed leave behind."""

from __future__ import annotations

import mmap
import os
import struct
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from batonmq.points import POINTS

__all__ = ["Passes"]

_NUMBER = struct.Struct("<Q")
_PLACES = {point: place * _NUMBER.size for place, point in enumerate(POINTS)}


class Passes:
    """A number for each point, which all processes that open the file count on.

    Of two that pass a point at the same instant one may not be counted.
    """

    def __init__(self, file: Path) -> None:
        """Makes the file where there is none."""
        handle = os.open(file, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            size = len(_PLACES) * _NUMBER.size
            if os.fstat(handle).st_size < size:
                os.ftruncate(handle, size)
            self._map = mmap.mmap(handle, size)
        finally:
            os.close(handle)

    def counting(self, point: str) -> Callable[[], None]:
        """What is to be called each time that the point is passed."""
        place, map_ = _PLACES[point], self._map

        def count() -> None:
            _NUMBER.pack_into(map_, place, _NUMBER.unpack_from(map_, place)[0] + 1)

        return count

    def counts(self) -> Counter[str]:
        """Of all points, also of those that nobody has passed."""
        return Counter({point: int(_NUMBER.unpack_from(self._map, place)[0]) for point, place in _PLACES.items()})

    def close(self) -> None:
        """Let go of the file."""
        self._map.close()
