"""The line of clients that asked for more than fitted in their last turn."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Protocol

from batonmq.broker.model.turn_time import TurnTime

__all__ = ["TurnLine", "Waiting"]


class Waiting(Protocol):
    """A connection with work left over."""

    def go_on(self) -> None:
        """Go on with it, for one share of a turn."""

    def broken(self, what: str) -> None:
        """That raised an unexpected error: log it, and close only this connection."""


class TurnLine:
    """Serves the line, as many connections in each pass of the loop as there is time for, and at least one."""

    def __init__(
        self, turn_time: TurnTime, loop: asyncio.AbstractEventLoop, between_clients: Callable[[], None]
    ) -> None:
        """`between_clients` is called before each connection is served."""
        self._between_clients = between_clients
        self._turn_time = turn_time
        self._loop = loop
        # The one that has waited longest comes first.
        self._line: deque[Waiting] = deque()
        self._is_scheduled = False

    def join(self, connection: Waiting) -> None:
        """Call this connection's `go_on` after the others in line. Call this only once until then."""
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
            self._between_clients()
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
