"""A clock that runs as the machine's does, and can be moved ahead."""

from __future__ import annotations

from collections.abc import Callable

from batonmq.clock import Clock

__all__ = ["MovableClock"]


class MovableClock(Clock):
    """Runs as the machine's clock does, until ``advance`` moves it ahead: an hour passes at once for its users."""

    __slots__ = ("_ahead", "_when_moved")

    def __init__(self) -> None:
        self._ahead = 0.0
        self._when_moved: dict[Callable[[], None], None] = {}

    def when_moved(self, call: Callable[[], None]) -> None:
        """Have ``call`` called whenever the clock is moved; it returns when it has done what is due."""
        self._when_moved[call] = None

    def forget(self, call: Callable[[], None]) -> None:
        """Have it called no more."""
        self._when_moved.pop(call, None)

    def monotonic(self) -> float:
        return super().monotonic() + self._ahead

    def time(self) -> float:
        return super().time() + self._ahead

    def advance(self, seconds: float) -> None:
        """Move ahead, and return when what fell due has been done. Raises TypeError, and ValueError for a step back."""
        if not isinstance(seconds, int | float):
            raise TypeError(f"time goes on by a number of seconds, not {seconds!r}")
        if seconds < 0:
            raise ValueError(f"time does not go back: {seconds}")
        self._ahead += seconds
        for moved in list(self._when_moved):
            moved()
