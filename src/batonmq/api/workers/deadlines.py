"""The deadlines of handlers that run in threads.

A thread cannot be stopped. When its time is up, its message is handled as a failed one, and the thread is left alone;
it counts among the worker's threads until it returns.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from batonmq.api.synchronous.delivery import Delivery
from batonmq.api.workers.policy import POLL_SECONDS

__all__ = ["Deadlines"]

# How often deadlines are checked, as a fraction of the handlers' time.
LOOKS = 10


class Deadlines:
    """The deadlines of the messages that one worker's handlers are working on."""

    def __init__(self, seconds: float, expired: Callable[[Delivery], None]) -> None:
        """The watching thread calls ``expired`` with each delivery that has taken longer than ``seconds``."""
        self._seconds = seconds
        self._expired = expired
        self._lock = threading.Lock()
        # In the order in which they began; all have the same time.
        self._running: dict[Delivery, float] = {}

    def begin(self, delivery: Delivery) -> None:
        """Start the clock for a delivery: its handler is about to be called."""
        with self._lock:
            self._running[delivery] = time.monotonic() + self._seconds

    def end(self, delivery: Delivery) -> bool:
        """The handler has returned. False: too late, the message has been handled as failed."""
        with self._lock:
            return self._running.pop(delivery, None) is not None

    def watch(self, ended: threading.Event) -> None:
        """Watch the deadlines until ``ended`` is set."""
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
