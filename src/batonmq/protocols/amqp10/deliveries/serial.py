"""Serial numbers of 32 bits, which wrap around (RFC 1982, part 2 §2.8.10)."""

from __future__ import annotations

from typing import Final

MASK: Final = 0xFFFF_FFFF
_HALF: Final = 1 << 31


def distance(first: int, second: int) -> int:
    """How many numbers ``second`` comes after ``first``; negative: it comes before."""
    return ((second - first + _HALF) & MASK) - _HALF


def runs(numbers: list[int]) -> list[tuple[int, int]]:
    """Numbers in their order as first and last of each unbroken run."""
    found: list[tuple[int, int]] = []
    for number in numbers:
        if found and found[-1][1] + 1 & MASK == number:
            found[-1] = (found[-1][0], number)
        else:
            found.append((number, number))
    return found
