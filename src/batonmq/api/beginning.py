"""A receiver's subscription while it is being made.

Whoever waits for it may be interrupted: Ctrl-C, a task that is cancelled, a time limit. The broker makes it all the
same, and sends messages ahead to it. So it is kept for the next call, and is ended when the receiver is closed before.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from batonmq.engines.futures import Future
from batonmq.engines.interface import Subscription

__all__ = ["Beginning"]


class Beginning:
    """Begins a subscription once, for all threads and tasks that ask for it."""

    __slots__ = ("_future", "_lock")

    def __init__(self) -> None:
        self._future: Future[Subscription] | None = None
        self._lock = threading.Lock()

    def future(self, begin: Callable[[], Future[Subscription]]) -> Future[Subscription]:
        """What has begun; with ``begin`` if nothing has, or it has failed. Raises what that raises."""
        with self._lock:
            if self._future is None or self._future.failed:
                self._future = begin()
            return self._future

    def abandon(self) -> None:
        """End it as soon as it is there."""
        with self._lock:
            future, self._future = self._future, None
        if future is not None:
            future.when_done(lambda: _end(future))


def _end(future: Future[Subscription]) -> None:
    if not future.failed:
        future.result().close()
