"""The deadlines of handlers that run in threads.

A thread cannot be stopped. When its time is over its message is dealt with as one that has failed, and the thread is
left to itself; it keeps its place among those of the worker until it comes to its end.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from batonmq.api.synchronous.delivery import Delivery
from batonmq.api.workers.policy import POLL_SECONDS

__all__ = ["Deadlines"]

# How often it is looked at deadlines, of the time that handlers have.
LOOKS = 10


class Deadlines:
    """The deadlines of what the handlers of one worker are at work on."""

    def __init__(self, seconds: float, expired: Callable[[Delivery], None]) -> None:
        """``expired`` is called, in the thread that watches, with a delivery whose time of ``seconds`` is over."""
        self._seconds = seconds
        self._expired = expired
        self._lock = threading.Lock()
        # Each began after the one before it, and all have the same time.
        self._running: dict[Delivery, float] = {}

    def begin(self, delivery: Delivery) -> None:
        """A handler is about to be called with it."""
        with self._lock:
            self._running[delivery] = time.monotonic() + self._seconds

    def end(self, delivery: Delivery) -> bool:
        """The handler has come to its end. False: too late, the message has been dealt with already."""
        with self._lock:
            return self._running.pop(delivery, None) is not None

    def watch(self, ended: threading.Event) -> None:
        """Look after the deadlines until ``ended`` is set."""
        while not ended.wait(min(POLL_SECONDS, self._seconds / LOOKS)):
            for delivery in self._overdue():
                self._expired(delivery)

    def _overdue(self) -> list[Delivery]:
        now = time.monotonic()
        with self._lock:
            found = [delivery for delivery, end in self._running.items() if end <= now]
            for delivery in found:
                del self._running[delivery]
        return found
