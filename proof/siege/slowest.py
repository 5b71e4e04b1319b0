"""When the slow confirms were: a pause of the disk or of the machine is a second with many, and no fault of a crowd."""

from __future__ import annotations

import collections
from collections.abc import Sequence

__all__ = ["slowest"]


def slowest(took: Sequence[tuple[float, float]], limit: float) -> str:
    """Of confirms, each with its time and how long it took in seconds: how many took too long, and in which seconds."""
    seconds = collections.Counter(int(at) for at, each in took if each >= limit)
    slow = sum(seconds.values())
    half, worst = 0, 0
    for _, count in seconds.most_common():
        if 2 * half >= slow:
            break
        half, worst = half + count, worst + 1
    said = f"{slow:,} of {len(took):,} confirms took {1000 * limit:g} ms or more"
    return f"{said}, {half:,} of them in the {worst:,} worst seconds, all in {len(seconds):,} seconds" if slow else said
