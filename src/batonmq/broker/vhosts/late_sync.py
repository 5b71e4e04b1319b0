"""Settlements wait for no sync, and have one all the same: a loss of power takes back no older ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from batonmq.broker.model.scheduler import Scheduler

__all__ = ["SYNC_WITHIN", "LateSync"]

# Seconds. A sync takes 0.1 ms on a good disk and 10 ms on a bad one: one a second is 1 % of its time at most.
SYNC_WITHIN = 1.0


class LateSync:
    """Has the store synced some time after a commit that nobody waited for, if no other has done it by then."""

    __slots__ = ("_is_armed", "_scheduler")

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self._is_armed = False

    def committed(self) -> None:
        """Take note of a commit that the disk may not have yet."""
        if not self._is_armed:
            self._is_armed = True
            self._scheduler.timetable.after(SYNC_WITHIN, self._sync)

    def _sync(self) -> None:
        self._is_armed = False
        store = self._scheduler.store
        if store.is_unsynced:
            store.must_reach_disk()
            self._scheduler.wake()
