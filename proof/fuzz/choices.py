"""Bytes as choices: what a generator asks for, an input answers. Whoever changes the bytes changes the story."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")

# What integers in a protocol are mostly compared with.
EDGES = (
    0,
    1,
    2,
    3,
    255,
    256,
    32767,
    32768,
    65535,
    65536,
    (1 << 31) - 1,
    1 << 31,
    (1 << 32) - 1,
    (1 << 63) - 1,
    1 << 63,
)


class Choices:
    """Draws from an input, from its first byte on; after its end everything is 0."""

    __slots__ = ("_at", "_data")

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def is_over(self) -> bool:
        """Has all of it been used?"""
        return self._at >= len(self._data)

    def byte(self) -> int:
        """From 0 to 255."""
        at = self._at
        if at >= len(self._data):
            return 0
        self._at = at + 1
        return self._data[at]

    def below(self, count: int) -> int:
        """From 0 on, less than this, which is 256 at most."""
        return self.byte() % count

    def one_of(self, values: Sequence[T]) -> T:
        """One of up to 256."""
        return values[self.byte() % len(values)]

    def chance(self, of: int) -> bool:
        """Once in so many times; not when the input is over."""
        return self.byte() % of == of - 1

    def number(self, octets: int) -> int:
        """An unsigned number of so many octets: mostly a small one, or one at some edge."""
        kind = self.byte()
        if kind < 160:
            return kind & 7
        if kind < 224:
            return EDGES[kind % len(EDGES)] & ((1 << 8 * octets) - 1)
        return int.from_bytes(self.octets(octets), "big")

    def octets(self, count: int) -> bytes:
        """The next so many bytes, or as many as there are."""
        at = self._at
        self._at = at + count
        return self._data[at : at + count]

    def rest(self) -> bytes:
        """All that is left."""
        return self.octets(len(self._data))
