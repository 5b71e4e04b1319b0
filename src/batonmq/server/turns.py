"""The end of a turn: everything that one pass of the event loop has brought is dispatched, sent and committed, once.

Work is done per turn and not per message: everything read in one pass becomes one dispatch, one write for each
connection, one batch for the store.

With thousands of clients a pass takes 20 ms and more. A confirm would wait for three of them: one until the message is
read, one until the turn ends and its commit begins, one until the loop is told that this is over. So a turn may also
end between two clients of the same pass (``look``). In a siege with 3,700 clients on one processor, half of all
confirms then took 9 ms and not 13, and 99 % up to 33 ms and not 56.
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

# A connection is at work for that long after it was flushed, and for up to twice as long.
AT_WORK_SECONDS = 0.1

# A turn that has lasted for so long, in seconds, ends between two clients. Ending one costs 20 us besides its work.
LONG_SECONDS = 0.003

# After the end of a turn clients are served for this many times as long as that took, before the next turn ends between
# two of them. There may be much to do at the end besides sending: ten thousand messages that return, or fall due.
REST = 4


class Flushable(Protocol):
    """A connection with possible output."""

    def flush(self) -> None:
        """Send the output."""

    def broken(self, what: str) -> None:
        """That raised an unexpected error: log it, and close only this connection."""


class Turns:
    """Runs the end of a turn after each pass of the loop in which there was work."""

    __slots__ = (
        "_after",
        "_at_work",
        "_began",
        "_broker",
        "_is_scheduled",
        "_is_wanted",
        "_loop",
        "_note",
        "_rests_until",
        "_since",
        "_were_at_work",
        "_woken",
    )

    def __init__(
        self, broker: Broker, loop: asyncio.AbstractEventLoop, after: Callable[[], None], vitals: Vitals | None = None
    ) -> None:
        """`after` is called at the end of every turn, when everything has been sent."""
        self._broker = broker
        self._loop = loop
        self._after = after
        self._note = (vitals or Vitals()).turns.note
        self._woken: list[Flushable] = []
        # Who was flushed since then, by identity: that of a connection that is gone may be another's, which is as good.
        self._at_work: set[int] = set()
        self._since = 0.0
        # How many there were before.
        self._were_at_work = 0
        # Will the loop call `_scheduled`? Is there work for it, besides flushing?
        self._is_scheduled = False
        self._is_wanted = False
        # When the first work for this turn came up, or the last turn ended.
        self._began = 0.0
        # Before that no turn ends between two clients.
        self._rests_until = 0.0

    def request(self) -> None:
        """Request the end of the turn, after this pass of the loop."""
        self._is_wanted = True
        if not self._is_scheduled:
            self._schedule()

    def wake(self, connection: Flushable) -> None:
        """Flush this connection at the end of the turn; call it once a turn."""
        self._woken.append(connection)
        if not self._is_scheduled:
            self._schedule()

    def _schedule(self) -> None:
        self._is_scheduled = True
        self._began = perf_counter()
        self._loop.call_soon(self._scheduled)

    def _scheduled(self) -> None:
        self._is_scheduled = False
        self._broker.turn_time.begin()
        # A commit may have ended the turn meanwhile, and flushed the connections woken in it. Without this check every
        # third turn would be empty when messages come one by one.
        if self._is_wanted or self._woken:
            self.end()

    def may_end(self) -> bool:
        """Have clients been served for a while since the last turn?"""
        return perf_counter() >= self._rests_until

    def look(self) -> None:
        """End the turn if it has lasted long. Call this between two clients of one pass, if it `may_end`."""
        if (self._is_wanted or self._woken) and perf_counter() - self._began > LONG_SECONDS:
            self.end()

    @property
    def at_work(self) -> int:
        """The number of connections that were flushed in the last tenth of a second at least, or in the one before."""
        return max(len(self._at_work), self._were_at_work)

    def end(self) -> None:
        """End the turn now."""
        # Cleared first: work that a flush or a callback adds requests the next turn.
        self._is_wanted = False
        self._began = began = perf_counter()
        try:
            self._broker.end_turn()
        except Exception:
            # A bug of ours. The messages are where they were; the next turn tries again.
            logger.exception("handing over messages failed")
        if began - self._since > AT_WORK_SECONDS:
            self._since = began
            self._were_at_work = len(self._at_work)
            self._at_work.clear()
        woken = self._woken
        if woken:
            self._woken = []
            for connection in woken:
                self._at_work.add(id(connection))
                try:
                    connection.flush()
                except Exception:  # noqa: BLE001 (it logs)
                    connection.broken("sending")
        self._after()
        ended = perf_counter()
        self._rests_until = ended + REST * (ended - began)
        self._note(ended - began)
