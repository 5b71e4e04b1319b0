"""Checks that the peer of a WebSocket is alive: it is pinged after a silence, and given up after another."""

from __future__ import annotations

from typing import Literal

from batonmq.server.rounds import how_often

__all__ = ["SignsOfLife"]


class SignsOfLife:
    """The signs of life of one client (RFC 6455, section 5.5.2)."""

    __slots__ = ("_heard_at", "_interval", "_is_asked", "_is_heard", "pace")

    def __init__(self, interval: float) -> None:
        """`interval` is in seconds; 0: never ping."""
        self._interval = interval
        self._is_heard = True
        self._is_asked = False
        self._heard_at: float | None = None
        self.pace = how_often(interval)
        """How often to check, in seconds."""

    def heard(self) -> None:
        """Note that something was received."""
        self._is_heard = True

    def silence(self, now: float) -> float:
        """Seconds since it was last heard, or since the first call."""
        if self._heard_at is None:
            self._heard_at = now
        return now - self._heard_at

    def look(self, now: float, *, can_be_heard: bool, can_be_asked: bool) -> Literal["", "ask", "give up"]:
        """What to do now.

        `can_be_heard` is False while reading from or writing to the client is stopped: no answer could arrive then.
        """
        silence = self.silence(now)
        if self._is_heard or not can_be_heard:
            self._heard_at = now
            self._is_heard = self._is_asked = False
        elif self._interval and silence >= self._interval and can_be_asked:
            if self._is_asked:
                return "give up"
            self._is_asked = True
            self._heard_at = now
            return "ask"
        return ""
