"""A full disk: settlements go on in the space that was reserved for them; messages are refused."""

from __future__ import annotations

import apsw

from batonmq.points import reached
from batonmq.store.maintenance import Maintenance
from batonmq.store.reserve import Reserve
from batonmq.store.write_ahead_log import WriteAheadLog

__all__ = ["Shortage"]

# So often some free pages are given back after a commit while the disk is full.
EASING_STEPS = 16


class Shortage:
    """Whether there is one, what is given up for it, and how it ends."""

    __slots__ = ("_log", "_maintenance", "_reserve", "_why", "is_on")

    def __init__(self, reserve: Reserve, log: WriteAheadLog, maintenance: Maintenance) -> None:
        self._reserve = reserve
        self._log = log
        self._maintenance = maintenance
        self._why = ""
        self.is_on = False
        """Is the disk full?"""

    def begin(self, why: str) -> None:
        """The disk is full: give up what was reserved, and have the log written from its start again if that works."""
        self.is_on = True
        self._why = why
        self._maintenance.run_short()
        self._reserve.give_up()
        self._log.checkpoint()
        reached("shortage.begun")

    def look(self) -> bool:
        """Is it still on? If it was, room is looked for."""
        if self.is_on:
            self.is_on = not self._reserve.make()
            if not self.is_on:
                reached("shortage.over")
        return self.is_on

    def ease(self) -> None:
        """Something was settled: give back what is free now, bit by bit, until the reserve can be made again."""
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
        """What the disk said."""
        return apsw.FullError(self._why)
