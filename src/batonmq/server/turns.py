"""The end of a turn: everything that one pass of the event loop has brought is dispatched, sent and committed, once.

Work is done per turn and not per message: everything read in one pass becomes one dispatch, one write for each
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
    """A connection with possible output."""

    def flush(self) -> None:
        """Send the output."""

    def broken(self, what: str) -> None:
        """That raised an unexpected error: log it, and close only this connection."""


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
        # Will the loop call `_scheduled`? Is there work for it, besides flushing?
        self._is_scheduled = False
        self._is_wanted = False

    def request(self) -> None:
        """Request the end of the turn, after this pass of the loop."""
        self._is_wanted = True
        if not self._is_scheduled:
            self._is_scheduled = True
            self._loop.call_soon(self._scheduled)

    def wake(self, connection: Flushable) -> None:
        """Flush this connection at the end of the turn; call it once a turn."""
        self._woken.append(connection)
        if not self._is_scheduled:
            self._is_scheduled = True
            self._loop.call_soon(self._scheduled)

    def _scheduled(self) -> None:
        self._is_scheduled = False
        # A commit may have ended the turn meanwhile, and flushed the connections woken in it. Without this check every
        # third turn would be empty when messages come one by one.
        if self._is_wanted or self._woken:
            self.end()

    def end(self) -> None:
        """End the turn now."""
        # Cleared first: work that a flush or a callback adds requests the next turn.
        self._is_wanted = False
        began = perf_counter()
        try:
            self._broker.end_turn()
        except Exception:
            # A bug of ours. The messages are where they were; the next turn tries again.
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
