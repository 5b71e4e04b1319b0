"""Whether what was measured in each tide stays level: a robust slope over the second half, held against the noise."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["FEWEST", "Level", "judge"]

FEWEST = 6
"""Tides in the second half with which a slope can be told from noise."""
NORMAL = 1.4826
"""What makes a standard deviation of a median absolute deviation, if the noise is normal."""
SURE = 4.0
"""Standard deviations of the slope that are taken for noise: 1 in 30,000 by chance, and some thirty series a run."""


@dataclass(frozen=True, slots=True)
class Level:
    """What became of one series."""

    first: float
    """The median of the second half's first third, and of its last third."""
    last: float
    growth: float
    """By how much the line through the second half rises from its first tide to its last."""
    allowed: float

    @property
    def kept(self) -> bool:
        """Is it level? Falling is level."""
        return self.growth <= self.allowed


def judge(values: Sequence[float], floor: float, share: float) -> Level | None:
    """Judge a series with a value for each tide; None: there are too few.

    ``floor``: what may come and go at any time. ``share``: of the value, what is the allocator's or the file system's
    own affair.
    """
    half = list(values[len(values) // 2 :])
    if len(half) < FEWEST:
        return None
    slope = statistics.median(
        (half[later] - half[earlier]) / (later - earlier) for later in range(len(half)) for earlier in range(later)
    )
    middle = statistics.median(value - slope * at for at, value in enumerate(half))
    noise = NORMAL * statistics.median(abs(value - slope * at - middle) for at, value in enumerate(half))
    third = max(len(half) // 3, 1)
    return Level(
        first=statistics.median(half[:third]),
        last=statistics.median(half[-third:]),
        growth=slope * (len(half) - 1),
        # The deviation of a line's rise over n points is that of a point times the root of 12/n.
        allowed=max(floor, share * abs(statistics.median(half)), SURE * noise * (12 / len(half)) ** 0.5),
    )
