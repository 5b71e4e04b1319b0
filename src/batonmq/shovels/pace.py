"""Limits the rate of messages."""

from __future__ import annotations

from batonmq.clock import Clock

__all__ = ["Pace"]

# The largest burst after an idle time, in seconds of the rate.
BURST_SECONDS = 1.0


class Pace:
    """An allowance of so much per second, saved up for a second at most. Without a rate there is no limit."""

    def __init__(self, rate: float | None, clock: Clock) -> None:
        """``rate``: the amount per second, above 0; None: no limit."""
        self._rate = rate
        self._clock = clock
        self._left = 0.0 if rate is None else rate * BURST_SECONDS
        self._at = clock.monotonic()

    def share(self, most: int) -> int:
        """How many of that many may go now: at least one, even if that overdraws the allowance."""
        if self._rate is None:
            return most
        self._earn(self._rate)
        return max(1, min(most, int(self._left)))

    def spend(self, amount: float) -> float:
        """Spend an amount; returns how many seconds to wait until more may go."""
        rate = self._rate
        if rate is None:
            return 0.0
        self._earn(rate)
        self._left -= amount
        return max(0.0, -self._left / rate)

    def _earn(self, rate: float) -> None:
        now = self._clock.monotonic()
        self._left = min(rate * BURST_SECONDS, self._left + (now - self._at) * rate)
        self._at = now
