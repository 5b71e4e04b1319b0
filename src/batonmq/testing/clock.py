"""A clock that runs like the machine's, and can be moved ahead."""

from __future__ import annotations

from collections.abc import Callable

from batonmq.clock import Clock

__all__ = ["MovableClock"]


class MovableClock(Clock):
    """Runs like the machine's clock, until ``advance`` moves it ahead: for its users an hour can pass at once."""

    __slots__ = ("_ahead", "_when_moved")

    def __init__(self) -> None:
        self._ahead = 0.0
        self._when_moved: dict[Callable[[], None], None] = {}

    def when_moved(self, call: Callable[[], None]) -> None:
        """Call ``call`` whenever the clock is moved; it has to do what is due, and return then."""
        self._when_moved[call] = None

    def forget(self, call: Callable[[], None]) -> None:
        """Stop calling ``call``."""
        self._when_moved.pop(call, None)

    def monotonic(self) -> float:
        return super().monotonic() + self._ahead

    def time(self) -> float:
        return super().time() + self._ahead

    def advance(self, seconds: float) -> None:
        """Move ahead, and return when everything due is done. Raises TypeError, and ValueError for a step back."""
        if not isinstance(seconds, int | float):
            raise TypeError(f"time goes on by a number of seconds, not {seconds!r}")
        if seconds < 0:
            raise ValueError(f"time does not go back: {seconds}")
        self._ahead += seconds
        for moved in list(self._when_moved):
            moved()
