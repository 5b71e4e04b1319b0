"""The status of a store for people and metrics, from numbers that it keeps anyway."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

__all__ = ["CommitTimes", "CommitsStatus", "StoreStatus"]

# This many commits are remembered.
REMEMBERED = 100


@dataclass(frozen=True, slots=True)
class CommitsStatus:
    """The commits of one store. Times are in seconds; of the last 100, and 0 before the first."""

    count: int
    """Since it was opened."""
    failed: int
    last: float
    median: float
    percentile_99: float
    longest: float


class CommitTimes:
    """How long the last commits took, and how many there were. Noted in the committer's thread, read on the loop."""

    __slots__ = ("_failed", "_times", "count")

    def __init__(self) -> None:
        self._times: deque[float] = deque(maxlen=REMEMBERED)
        self._failed = 0
        self.count = 0
        """How many there were, failed ones included."""

    def note(self, seconds: float) -> None:
        """A commit took so long."""
        self.count += 1
        self._times.append(seconds)

    def note_failed(self) -> None:
        """A commit failed."""
        self.count += 1
        self._failed += 1

    def status(self) -> CommitsStatus:
        """What is known now."""
        # A copy of a deque is made at once, whatever the other thread does.
        times = list(self._times.copy())
        last = times[-1] if times else 0.0
        times.sort()
        return CommitsStatus(
            count=self.count,
            failed=self._failed,
            last=last,
            median=_percentile(times, 50),
            percentile_99=_percentile(times, 99),
            longest=times[-1] if times else 0.0,
        )


def _percentile(times: list[float], percent: int) -> float:
    """The time that this many percent of the sorted ones do not exceed."""
    return times[max(-(-len(times) * percent // 100) - 1, 0)] if times else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreStatus:
    """How a store stands. Sizes are in octets; 0 for what a store without a file does not have."""

    path: str = ""
    """Of the file; "": it has none."""
    size: int = 0
    """The size of the file, by used and free pages."""
    free: int = 0
    """In pages of the file that hold nothing, and are used again first."""
    page_size: int = 0
    log_size: int = 0
    """Of the file of the write-ahead log, which is written from its start again and does not shrink."""
    log_used: int = 0
    """How much of that is not copied into the file, or was not when the last commit looked."""
    checkpoint_size: int = 0
    """The log is copied into the file when so much of it is used."""
    checkpoints: int = 0
    """How often that was done since the store was opened."""
    checkpoints_failed: int = 0
    disk_free: int = 0
    """On the disk, for this user."""
    is_full: bool = False
    """Is the disk full, so that only settlements are kept?"""
    commits: CommitsStatus
    batch: int
    """The number of the batch that is being collected."""
    committed: int
    """The number of the last batch that is on the disk."""
    is_committing: bool
    pending: int
    """Octets of messages that are collected and not written yet."""
    fault: str = ""
    """Why it cannot write; "": it can."""
