"""The end of a turn: what a pass of the event loop has brought is handed over, sent and committed, once.

Work is done per turn and not per message: whatever the loop read in one pass becomes one hand-over, one write for each
connection, one batch for the store.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from time import perf_counter
from typing import Protocol

from batonmq.server.interface import Broker
from batonmq.server.vitals import Vitals

__all__ = ["Flushable", "Turns"]

logger = logging.getLogger(__name__)


class Flushable(Protocol):
    """A connection that has, or may have, something to send."""

    def flush(self) -> None:
        """Send it."""

    def broken(self, what: str) -> None:
        """A fault of ours struck in that: log it, and close this connection and no other."""


class Turns:
    """Runs the end of a turn after each pass of the loop in which there was work."""

    __slots__ = ("_after", "_broker", "_is_scheduled", "_is_wanted", "_loop", "_note", "_woken")

    def __init__(
        self, broker: Broker, loop: asyncio.AbstractEventLoop, after: Callable[[], None], vitals: Vitals | None = None
    ) -> None:
        """`after` is called at the end of every turn, when everything has been sent."""
        self._broker = broker
        self._loop = loop
        self._after = after
        self._note = (vitals or Vitals()).turns.note
        self._woken: list[Flushable] = []
        # Will the loop call `_scheduled`? Is there work for it, besides what is to be flushed?
        self._is_scheduled = False
        self._is_wanted = False

    def request(self) -> None:
        """There is work: end the turn when this pass of the loop is over."""
        self._is_wanted = True
        if not self._is_scheduled:
            self._is_scheduled = True
            self._loop.call_soon(self._scheduled)

    def wake(self, connection: Flushable) -> None:
        """Flush this connection at the end of the turn; the caller sees to it that it asks once a turn."""
        self._woken.append(connection)
        if not self._is_scheduled:
            self._is_scheduled = True
            self._loop.call_soon(self._scheduled)

    def _scheduled(self) -> None:
        self._is_scheduled = False
        # A commit may have ended the turn meanwhile, and who was woken in a turn was flushed in it: without this, every
        # third turn is an empty one where messages come one by one.
        if self._is_wanted or self._woken:
            self.end()

    def end(self) -> None:
        """End the turn now."""
        # Cleared first: what a flush or a callback brings up asks for the next turn.
        self._is_wanted = False
        began = perf_counter()
        try:
            self._broker.end_turn()
        except Exception:
            # A fault of ours. The messages are where they were; the next turn tries again.
            logger.exception("handing over messages failed")
        woken = self._woken
        if woken:
            self._woken = []
            for connection in woken:
                try:
                    connection.flush()
                except Exception:  # noqa: BLE001 (it logs)
                    connection.broken("sending")
        self._after()
        self._note(perf_counter() - began)
