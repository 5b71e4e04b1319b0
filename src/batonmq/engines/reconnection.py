"""When a connection to a broker is tried again, and the calls that wait for it.

    down --(a call waits)--> connecting --> open --(lost)--> connecting ... --(too long)--> down

The first attempt is the only one: if it fails, so does opening the engine. Everything here runs in the connection's
thread, except ``first``, which runs before there is one.
"""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Any

from batonmq.engines.futures import Future

if TYPE_CHECKING:
    from collections.abc import Callable

    from batonmq.errors import BatonError

__all__ = ["FIRST_PAUSE", "LONGEST_PAUSE", "RECONNECT_SECONDS", "Reconnection"]

RECONNECT_SECONDS = 60.0
"""How long a lost connection is tried again before waiting calls fail."""
FIRST_PAUSE = 0.05
"""Seconds between the first two attempts; each further pause is twice as long."""
LONGEST_PAUSE = 2.0
"""The longest pause between two attempts, in seconds."""


class Reconnection:
    """The attempts to connect, and the calls that wait for one to succeed."""

    def __init__(self) -> None:
        self.is_connecting = False
        """Is an attempt under way, or about to be?"""
        self._opening: Future[None] | None = None
        self._waiting: list[tuple[Callable[[], None], Future[Any]]] = []
        self._pause = FIRST_PAUSE
        self._give_up_at = 0.0

    def first(self) -> Future[None]:
        """A future for the first attempt."""
        self._opening = Future()
        return self._opening

    def wait(self, function: Callable[[], None], future: Future[Any]) -> None:
        """Run a function once there is a connection; the future fails if there is none in time."""
        self._waiting.append((function, future))

    def start(self, seconds: float | None = None) -> None:
        """Try for that many seconds from now on; None: RECONNECT_SECONDS."""
        self._give_up_at = monotonic() + (RECONNECT_SECONDS if seconds is None else seconds)
        self._pause = FIRST_PAUSE

    def attempted(self) -> None:
        """An attempt begins."""
        self.is_connecting = True

    def opened(self, tell: Callable[[], None]) -> None:
        """There is a connection: ``tell`` its users, then run the calls that wait."""
        self.is_connecting = False
        self._pause = FIRST_PAUSE
        opening, self._opening = self._opening, None
        if opening is not None:
            opening.resolve(None)
        tell()
        waiting, self._waiting = self._waiting, []
        for function, _ in waiting:
            function()

    def next_pause(self) -> float | None:
        """An attempt has failed: seconds until the next one; None: there is none, and the caller has to give up."""
        if self._opening is not None or monotonic() >= self._give_up_at:
            self.is_connecting = False
            return None
        pause, self._pause = self._pause, min(LONGEST_PAUSE, self._pause * 2)
        return pause

    def give_up(self, reason: BatonError) -> None:
        """Fail everything that waits for a connection."""
        opening, self._opening = self._opening, None
        if opening is not None:
            opening.fail(reason)
        waiting, self._waiting = self._waiting, []
        for _, future in waiting:
            future.fail(reason)
