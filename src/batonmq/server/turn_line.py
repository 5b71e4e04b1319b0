"""The line of clients that asked for more than fitted in their last turn."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Protocol

from batonmq.broker.model.turn_time import TurnTime

__all__ = ["TurnLine", "Waiting"]


class Waiting(Protocol):
    """A connection with work left over."""

    def go_on(self) -> None:
        """Do more of it, as much as one share of a turn allows."""

    def broken(self, what: str) -> None:
        """A fault of ours struck in that: log it, and close this connection and no other."""


class TurnLine:
    """Serves those in line in turn, as many in each pass of the loop as it has time for, and one in any case."""

    def __init__(self, turn_time: TurnTime, loop: asyncio.AbstractEventLoop) -> None:
        self._turn_time = turn_time
        self._loop = loop
        # The one that has waited longest comes first.
        self._line: deque[Waiting] = deque()
        self._is_scheduled = False

    def join(self, connection: Waiting) -> None:
        """Call this connection's `go_on` when the others have had their turn. To be called once until then."""
        self._line.append(connection)
        self._turn_time.line_up(len(self._line))
        self._schedule()

    def _schedule(self) -> None:
        if not self._is_scheduled:
            self._is_scheduled = True
            self._loop.call_soon(self._serve)

    def _serve(self) -> None:
        self._is_scheduled = False
        line = self._line
        while line:
            connection = line.popleft()
            try:
                connection.go_on()
            except Exception:  # noqa: BLE001 (it logs)
                connection.broken("doing what the client asked for")
            if self._turn_time.left <= 0:
                break
        self._turn_time.line_up(len(line))
        if line:
            self._schedule()
