"""Whether it pays to put off a commit, as consumers may settle its messages before the disk is asked.

A message that is settled before it was written need not be written, and its publisher can be told at once. Consumers
that settle each message as it comes answer within 50 to 200 us, and a disk in 300 or more. Others need seconds for a
message; then each moment of waiting only makes confirms late. Which of them there are is learned: while it pays,
commits are put off, and when it does not, only one in so many, fewer and fewer.
"""

from __future__ import annotations

__all__ = ["LIMIT", "STEP_MAX", "Patience"]

# The longest wait, in seconds; a timer may come a millisecond later.
LIMIT = 0.004
# At most this many commits between two that are put off.
STEP_MAX = 127
# What one commit weighs among those before it.
WEIGHT = 1 / 8


class Patience:
    """How long commits take, and how often consumers were faster. Times are in seconds."""

    __slots__ = ("_left", "_step", "_usual")

    def __init__(self) -> None:
        # No commit is put off before one has been seen.
        self._usual = 0.0
        self._step = 0
        self._left = 0

    def note(self, seconds: float) -> None:
        """A commit took so long, from its start until its publishers could be told."""
        self._usual += (seconds - self._usual) * (WEIGHT if self._usual else 1)

    @property
    def limit(self) -> float:
        """How long consumers may take: no longer than the disk usually does."""
        return min(self._usual, LIMIT)

    @property
    def will_try(self) -> bool:
        """May the next commit be put off?"""
        return self._usual > 0 and not self._left

    def is_willing(self) -> bool:
        """May the commit that would begin now be put off? Ask once for each."""
        if self._left:
            self._left -= 1
            return False
        return self._usual > 0

    def settled(self, seconds: float) -> None:
        """All messages were settled, so long after the commit was put off."""
        if seconds > self.limit:
            self.in_vain()
        else:
            self._step >>= 1
            self._left = 0

    def in_vain(self) -> None:
        """They were not settled in time. If it comes right less often than not, that is soon tried only rarely.

        Where nine in ten are in time, four in five commits are spared; where one in two is, one in fifty.
        """
        self._step = min(2 * self._step + 1, STEP_MAX)
        self._left = self._step
