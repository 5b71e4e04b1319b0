"""How the server's own work goes, for metrics: noted once for each turn, commit and handshake, never for a message."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import Final

__all__ = ["Histogram", "Vitals"]

# A turn is short: one that takes 10 ms has served all that clients may have of it. A commit waits for the disk.
TURN_SECONDS: Final = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0)
COMMIT_SECONDS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
BATCH_OCTETS: Final = tuple(float(1024 * 4**power) for power in range(8))


class Histogram:
    """How often values of a size came. Noting one takes 0.2 us."""

    __slots__ = ("_bounds", "_counts", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        """``bounds``: the largest value that counts in each bucket, ascending; beyond the last there is one more."""
        self._bounds = tuple(bounds)
        self._counts = [0] * (len(bounds) + 1)
        self.total = 0.0
        """The sum of all values."""

    def note(self, value: float) -> None:
        """A value has come."""
        self._counts[bisect_left(self._bounds, value)] += 1
        self.total += value

    @property
    def count(self) -> int:
        """How many values came."""
        return sum(self._counts)

    def buckets(self) -> list[tuple[float, int]]:
        """For each bound how many values were no larger; the last bound is infinite."""
        found = []
        below = 0
        for bound, count in zip((*self._bounds, float("inf")), self._counts, strict=True):
            below += count
            found.append((bound, below))
        return found


class Vitals:
    """The figures of one server since it started."""

    __slots__ = ("batches", "commits", "handshakes", "handshakes_failed", "turns")

    def __init__(self) -> None:
        self.turns = Histogram(TURN_SECONDS)
        """Seconds for which the end of a turn held the loop: dispatch, sending, and writing to the store."""
        self.commits = Histogram(COMMIT_SECONDS)
        """Seconds from the beginning of a commit until the loop has heard of its end."""
        self.batches = Histogram(BATCH_OCTETS)
        """Octets of messages in each commit."""
        self.handshakes = 0
        """TLS handshakes that came to a connection."""
        self.handshakes_failed = 0
        """TLS handshakes that came to nothing."""

    def committed(self, seconds: float, octets: int) -> None:
        """A commit has returned, whatever came of it."""
        self.commits.note(seconds)
        self.batches.note(octets)

    def shook_hands(self) -> None:
        """A TLS handshake has come to a connection."""
        self.handshakes += 1

    def handshake_failed(self) -> None:
        """A TLS handshake has come to nothing."""
        self.handshakes_failed += 1
