"""Shrinking a file that has become mostly empty. This is done in quiet times, as it would slow consumers down.

Moving the last pages of a file to its front while a long backlog was consumed cost a quarter of the rate.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from batonmq.broker.model.scheduler import Scheduler

# Seconds without a batch that count as quiet, and the pause between two steps once it is.
QUIET = 1.0
PAUSE = 0.02


class Vacuum:
    """Asks the store to shrink by one step whenever some time has passed without a batch."""

    __slots__ = ("_batch", "_is_armed", "_scheduler")

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self._batch = 0
        self._is_armed = False

    def committed(self) -> None:
        """Take note that a batch is on disk, and that the store is sparse."""
        if not self._is_armed:
            is_ours = self._scheduler.store.batch == self._batch + 1
            self._arm(PAUSE if is_ours else QUIET)

    def _arm(self, seconds: float) -> None:
        self._is_armed = True
        self._batch = self._scheduler.store.batch
        self._scheduler.timetable.after(seconds, self._look)

    def _look(self) -> None:
        self._is_armed = False
        store = self._scheduler.store
        if store.batch != self._batch or store.busy or store.has_work():
            self._arm(QUIET)
        elif store.is_sparse:
            store.shrink()
            self._scheduler.wake()
