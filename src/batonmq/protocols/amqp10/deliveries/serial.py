"""Serial numbers of 32 bits, which begin anew after the last (RFC 1982, part 2 §2.8.10)."""

from __future__ import annotations

from typing import Final

MASK: Final = 0xFFFF_FFFF
_HALF: Final = 1 << 31


def distance(first: int, second: int) -> int:
    """How far ``second`` is behind ``first`` in the line; negative: it comes before."""
    return ((second - first + _HALF) & MASK) - _HALF
