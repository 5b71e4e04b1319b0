"""Is the other end of a WebSocket still there? It is asked after a silence, and given up after another one."""

from __future__ import annotations

from typing import Literal

from batonmq.protocols.sessions.heartbeats import PART, pace

__all__ = ["SignsOfLife"]


class SignsOfLife:
    """What was heard of one client, and what it was asked (RFC 6455, section 5.5.2)."""

    __slots__ = ("_heard_at", "_interval", "_is_asked", "_is_heard", "pace")

    def __init__(self, interval: float) -> None:
        """`interval` is in seconds; 0: it is never asked."""
        self._interval = interval
        self._is_heard = True
        self._is_asked = False
        self._heard_at: float | None = None
        self.pace = pace(PART * interval)
        """How often to look, in seconds."""

    def heard(self) -> None:
        """Something came."""
        self._is_heard = True

    def silence(self, now: float) -> float:
        """Seconds since it was last heard, or since this was first asked."""
        if self._heard_at is None:
            self._heard_at = now
        return now - self._heard_at

    def look(self, now: float, *, can_be_heard: bool, can_be_asked: bool) -> Literal["", "ask", "give up"]:
        """What is to be done now.

        Whoever is not read from, or does not read, can give no sign that would be seen: not `can_be_heard`.
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
