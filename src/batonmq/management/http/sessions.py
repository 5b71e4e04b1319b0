"""Log-ins of the web page: a cookie that scripts cannot read, and a token that only the page's own scripts have."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

__all__ = ["Session", "Sessions"]

# Beyond that, who has been silent for longest is logged out.
MOST_SESSIONS: Final = 1000


@dataclass(slots=True, eq=False)
class Session:
    """One log-in."""

    user: str
    csrf: str
    """What a request that changes anything brings in a header: a page of somebody else's cannot know it."""
    proof: str
    """What the user's password was checked against: with another password the session is over."""
    used_at: float


class Sessions:
    """The log-ins that are open, by the value of the cookie. They end with the process."""

    def __init__(self, timeout: float, now: Callable[[], float]) -> None:
        """``timeout``: seconds of silence after which a session is over. ``now``: the monotonic clock."""
        self._timeout = timeout
        self._now = now
        # The session that has been silent for longest comes first.
        self._open: dict[str, Session] = {}

    def begin(self, user: str, proof: str) -> tuple[str, Session]:
        """The value of the cookie, and the session."""
        if len(self._open) >= MOST_SESSIONS:
            del self._open[next(iter(self._open))]
        key = secrets.token_urlsafe(32)
        session = self._open[key] = Session(user, secrets.token_urlsafe(32), proof, self._now())
        return key, session

    def find(self, key: str) -> Session | None:
        """The session of a cookie, which counts as used now; None: it is over, or there was none."""
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
