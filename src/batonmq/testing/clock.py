"""A clock that goes as the machine's does, and can be moved ahead."""

from __future__ import annotations

from collections.abc import Callable

from batonmq.clock import Clock

__all__ = ["MovableClock"]


class MovableClock(Clock):
    """Whoever runs by it is told when it was moved: an hour of time to live passes at once."""

    __slots__ = ("_ahead", "on_move")

    def __init__(self) -> None:
        self._ahead = 0.0
        # Called when the clock was moved; each returns when it has done what is due.
        self.on_move: list[Callable[[], None]] = []

    def monotonic(self) -> float:
        return super().monotonic() + self._ahead

    def time(self) -> float:
        return super().time() + self._ahead

    def advance(self, seconds: float) -> None:
        """Move ahead, and return when what fell due has been done. Raises ValueError for a step back."""
        if seconds < 0:
            raise ValueError(f"time does not go back: {seconds}")
        self._ahead += seconds
        for moved in list(self.on_move):
            moved()
