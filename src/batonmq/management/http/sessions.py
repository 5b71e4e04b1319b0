"""Log-ins of the web page: a cookie that scripts cannot read, and a token that only the page's own scripts have."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

__all__ = ["Session", "Sessions"]

# The most sessions; beyond that the one idle for longest is logged out.
MOST_SESSIONS: Final = 1000


@dataclass(slots=True, eq=False)
class Session:
    """One log-in."""

    user: str
    csrf: str
    """The token that a request with changes must carry in a header: a foreign page cannot know it."""
    proof: str
    """The hash of the user's password; when it changes, the session ends."""
    used_at: float


class Sessions:
    """The open sessions, by the value of the cookie. They end with the process."""

    def __init__(self, timeout: float, now: Callable[[], float]) -> None:
        """``timeout``: seconds of inactivity after which a session ends. ``now``: the monotonic clock."""
        self._timeout = timeout
        self._now = now
        # The session idle for longest comes first.
        self._open: dict[str, Session] = {}

    def begin(self, user: str, proof: str) -> tuple[str, Session]:
        """The value of the cookie, and the session."""
        if len(self._open) >= MOST_SESSIONS:
            del self._open[next(iter(self._open))]
        key = secrets.token_urlsafe(32)
        session = self._open[key] = Session(user, secrets.token_urlsafe(32), proof, self._now())
        return key, session

    def find(self, key: str) -> Session | None:
        """The session of a cookie, marked as used; None: it has ended, or there was none."""
        session = self._open.get(key)
        if session is None:
            return None
        del self._open[key]
        now = self._now()
        if now - session.used_at > self._timeout:
            return None
        session.used_at = now
        self._open[key] = session
        return session

    def end(self, key: str) -> None:
        """The user has logged out."""
        self._open.pop(key, None)
