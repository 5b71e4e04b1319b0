"""Time, as the broker sees it.

Nothing in `broker/`, `store/` or `protocols/` asks the operating system for the time: they are given a clock. So a test
moves time by hand and never sleeps.
"""

from __future__ import annotations

import time

__all__ = ["Clock"]


class Clock:
    """The machine's own clocks. A test passes a subclass that it moves by hand."""

    __slots__ = ()

    def monotonic(self) -> float:
        """Seconds from an arbitrary start that never go back: for timers, heartbeats, time-outs."""
        return time.monotonic()

    def time(self) -> float:
        """Seconds since the epoch (UTC): for what is stored and for what users read."""
        return time.time()
