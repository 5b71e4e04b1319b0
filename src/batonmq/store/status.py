"""The status of a store for people and metrics, from numbers that it keeps anyway."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

__all__ = ["CommitTimes", "CommitsStatus", "StoreStatus"]

# The number of commits remembered.
REMEMBERED = 100


@dataclass(frozen=True, slots=True)
class CommitsStatus:
    """The commits of one store. Times are in seconds; of the last 100, and 0 before the first."""

    count: int
    """The number of commits since the store was opened."""
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
        """The number of commits, including failed ones."""

    def note(self, seconds: float) -> None:
        """Note the duration of a commit."""
        self.count += 1
        self._times.append(seconds)

    def note_failed(self) -> None:
        """Note a failed commit."""
        self.count += 1
        self._failed += 1

    def status(self) -> CommitsStatus:
        """The current figures."""
        # Copying a deque is atomic, whatever the other thread does.
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
    """The time that this percentage of the sorted times does not exceed."""
    return times[max(-(-len(times) * percent // 100) - 1, 0)] if times else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreStatus:
    """The status of a store. Sizes are in octets; 0 if a store without a file has none."""

    path: str = ""
    """The path of the file; "": there is none."""
    size: int = 0
    """The size of the file, by used and free pages."""
    free: int = 0
    """The size of the file's free pages, which are used again first."""
    page_size: int = 0
    log_size: int = 0
    """The size of the write-ahead log's file, which is written from its start again and does not shrink."""
    log_used: int = 0
    """The part of the log not yet copied into the file, as of the last commit."""
    checkpoint_size: int = 0
    """The used part of the log at which it is copied into the file."""
    checkpoints: int = 0
    """How often the log was copied since the store was opened."""
    checkpoints_failed: int = 0
    disk_free: int = 0
    """The free space on the disk for this user."""
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
