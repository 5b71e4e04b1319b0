"""Syncs settlements, which do not wait for it, after a while: a loss of power can undo only recent ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from batonmq.broker.model.scheduler import Scheduler

__all__ = ["SYNC_WITHIN", "LateSync"]

# Seconds. A sync takes 0.1 ms on a good disk and 10 ms on a bad one: one a second is 1 % of its time at most.
SYNC_WITHIN = 1.0


class LateSync:
    """Syncs the store some time after a commit that nobody waited for, unless another commit has done so by then."""

    __slots__ = ("_is_armed", "_scheduler")

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self._is_armed = False

    def committed(self) -> None:
        """Note a commit that may not be on the disk yet."""
        if not self._is_armed:
            self._is_armed = True
            self._scheduler.timetable.after(SYNC_WITHIN, self._sync)

    def _sync(self) -> None:
        self._is_armed = False
        store = self._scheduler.store
        if store.is_unsynced:
            store.must_reach_disk()
            self._scheduler.wake()
