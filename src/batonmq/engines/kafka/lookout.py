"""Checks on a queue that gives nothing: it may have been deleted, become unreadable, or be out of reach."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from batonmq.engines.futures import Future
from batonmq.engines.kafka.names import Topic
from batonmq.errors import BatonError, ConnectionLost, NotFound

__all__ = ["Lookout"]

# How often it is checked, in seconds.
LOOK: Final = 1.0
# How long a broker may be away before waiting requests fail, in seconds.
AWAY: Final = 60.0


class Lookout:
    """The lookout of one receiver."""

    def __init__(
        self, queue: str, look_for: Callable[[str], Future[Topic]], told: Callable[[BatonError], None]
    ) -> None:
        """``look_for`` fails with NotFound where there is no such queue.

        ``told`` is called with the error for waiting requests.
        """
        self._queue = queue
        self._look_for = look_for
        self._told = told
        # One check at a time: its answer updates these, and allows the next.
        self._is_asking = False
        self._asked = time.monotonic()
        self._away_since: float | None = None

    def look(self) -> None:
        """A request waits, and nothing comes: check, unless that was done a moment ago."""
        if self._is_asking or time.monotonic() - self._asked < LOOK:
            return
        self._is_asking = True
        found = self._look_for(self._queue)
        found.when_done(lambda: self._found(found.error))

    def _found(self, error: BaseException | None) -> None:
        now = time.monotonic()
        if not isinstance(error, ConnectionLost):
            self._away_since = None
        elif self._away_since is None:
            self._away_since = now
        is_away = self._away_since is not None and now - self._away_since > AWAY
        self._asked = now
        self._is_asking = False
        if isinstance(error, NotFound):
            self._told(NotFound(f"queue '{self._queue}' was deleted"))
        elif isinstance(error, BatonError) and (is_away or not isinstance(error, ConnectionLost)):
            # For example, access to it was withdrawn.
            self._told(error)
