"""A full disk: settlements continue in the space reserved for them; messages are refused."""

from __future__ import annotations

import apsw

from batonmq.points import reached
from batonmq.store.maintenance import Maintenance
from batonmq.store.reserve import Reserve
from batonmq.store.write_ahead_log import WriteAheadLog

__all__ = ["Shortage"]

# How many times free pages are given back after a commit while the disk is full.
EASING_STEPS = 16


class Shortage:
    """Knows whether the disk is full, gives up the reserve for it, and finds its end."""

    __slots__ = ("_log", "_maintenance", "_reserve", "_why", "is_on")

    def __init__(self, reserve: Reserve, log: WriteAheadLog, maintenance: Maintenance) -> None:
        self._reserve = reserve
        self._log = log
        self._maintenance = maintenance
        self._why = ""
        self.is_on = False
        """Is the disk full?"""

    def begin(self, why: str) -> None:
        """The disk is full: give up the reserve, and try to have the log written from its start again."""
        self.is_on = True
        self._why = why
        self._maintenance.run_short()
        self._reserve.give_up()
        self._log.checkpoint()
        reached("shortage.begun")

    def look(self) -> bool:
        """Is the disk still full? If it was, check for room."""
        if self.is_on:
            self.is_on = not self._reserve.make()
            if not self.is_on:
                reached("shortage.over")
        return self.is_on

    def ease(self) -> None:
        """After settlements: give free pages back, bit by bit, until the reserve can be made again."""
        self._log.checkpoint()
        for _ in range(EASING_STEPS):
            if not self.look():
                return
            if not self._maintenance.vacuum_short():
                break
            self._log.checkpoint()
        self._log.checkpoint("TRUNCATE")
        self.look()

    def error(self) -> apsw.FullError:
        """The error of the full disk."""
        return apsw.FullError(self._why)
