"""What a run has used and where it has struck, in lines: what is not named there is not proved."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

__all__ = ["summary"]


def summary(
    points: Sequence[str], struck: Mapping[str, int], passed: Mapping[str, int], uses: Mapping[str, int]
) -> Iterator[str]:
    """Of the points, how often each was passed and struck at; of the features, how often each was used.

    `points`: those at which the run may strike.
    """
    yield "points, passed and struck at: " + ", ".join(
        f"{point} {count:,}/{struck.get(point, 0)}" for point, count in passed.items() if count
    )
    if missed := [point for point in points if not struck.get(point)]:
        yield f"points at which nothing was struck: {', '.join(missed)}"
    yield "features: " + ", ".join(f"{count:,} {name}" for name, count in sorted(uses.items()) if count)
    if unused := [name for name, count in uses.items() if not count]:
        yield f"features that were never used: {', '.join(sorted(unused))}"
