"""All connections together: how many there may be, who waits for the store or his turn, ticks, and the orderly stop."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections import deque
from collections.abc import Callable

from batonmq.broker.model.access import User
from batonmq.broker.model.turn_time import TurnTime
from batonmq.clock import Clock
from batonmq.server.connection import Connection
from batonmq.server.interface import Store
from batonmq.server.log_ins import LogIns
from batonmq.server.turns import Turns

__all__ = ["Connections"]

logger = logging.getLogger(__name__)

READ_BUFFER = 64 * 1024

# A loop that reads ahead (Windows' proactor) keeps a buffer for as long as a connection is silent.
_SHARES_BUFFER = sys.platform != "win32"


class Connections:
    """The connections of one server, and what they have in common."""

    def __init__(
        self,
        store: Store,
        turns: Turns,
        log_ins: LogIns,
        turn_time: TurnTime,
        *,
        loop: asyncio.AbstractEventLoop,
        clock: Clock,
        limit: int,
        store_pending: int,
        handshake_timeout: float,
    ) -> None:
        """`limit` connections at most; `store_pending` bytes may wait for the store before publishers do."""
        self.turns = turns
        self.log_ins = log_ins
        self.turn_time = turn_time
        self.loop = loop
        self.clock = clock
        self.handshake_timeout = handshake_timeout
        self._store = store
        self._limit = limit
        self._store_pending = store_pending
        self._buffer = memoryview(bytearray(READ_BUFFER))
        self._open: set[Connection] = set()
        self._waiting: list[Connection] = []
        # Those whose clients asked for more than fitted their last turn, the longest waiting first.
        self._line: deque[Connection] = deque()
        self._is_going_on = False
        self._is_refusing = False
        self._all_gone: asyncio.Event = asyncio.Event()
        self._all_gone.set()

    def __len__(self) -> int:
        return len(self._open)

    def read_buffer(self) -> memoryview:
        """Where a connection's bytes are read: one buffer for all, since each copies out before the next is read."""
        return self._buffer if _SHARES_BUFFER else memoryview(bytearray(READ_BUFFER // 4))

    def add(self, connection: Connection) -> bool:
        """Take a new connection in; False: there are too many."""
        if len(self._open) >= self._limit:
            if not self._is_refusing:
                self._is_refusing = True
                logger.warning("%s: refused: there are %d connections, the limit", connection.peer, self._limit)
            return False
        self._is_refusing = False
        self._open.add(connection)
        self._all_gone.clear()
        return True

    def remove(self, connection: Connection) -> None:
        """Its socket is gone."""
        self._open.discard(connection)
        if not self._open:
            self._all_gone.set()

    def is_store_full(self) -> bool:
        """Does more wait for the store than may?"""
        return self._store.pending_bytes > self._store_pending

    def wait_for_commit(self, connection: Connection) -> None:
        """Tell this connection when the next commit is done."""
        self._waiting.append(connection)

    def committed(self) -> None:
        """A commit is done, well or not: those who waited for it read again."""
        waiting = self._waiting
        if waiting:
            self._waiting = []
            for connection in waiting:
                try:
                    connection.committed()
                except Exception:  # noqa: BLE001 (it logs)
                    connection.broken("reading on after a commit")

    def stand_in_line(self, connection: Connection) -> None:
        """Have this connection do more of what its client asked for, when others have had their turn."""
        self._line.append(connection)
        self.turn_time.in_line = len(self._line)
        self._go_on_soon()

    def _go_on_soon(self) -> None:
        if not self._is_going_on:
            self._is_going_on = True
            self.loop.call_soon(self._go_on)

    def _go_on(self) -> None:
        """As many of the line as a turn has time for, and one in any case."""
        self._is_going_on = False
        line = self._line
        while line:
            connection = line.popleft()
            try:
                connection.go_on()
            except Exception:  # noqa: BLE001 (it logs)
                connection.broken("doing what the client asked for")
            if self.turn_time.left <= 0:
                break
        self.turn_time.in_line = len(line)
        if line:
            self._go_on_soon()

    def tick(self, now: float) -> None:
        """Time has passed."""
        for connection in list(self._open):
            connection.tick(now)

    def users_changed(self, find: Callable[[str], User | None]) -> None:
        """Rights have changed, or users were deleted: each connection goes by what is so now."""
        for connection in list(self._open):
            connection.users_changed(find)

    async def shutdown(self, reason: str, seconds: float) -> None:
        """Tell every client, and give them this long to take their leave; then close what is left."""
        for connection in list(self._open):
            connection.shutdown(reason)
        self.turns.request()
        try:
            async with asyncio.timeout(seconds):
                await self._all_gone.wait()
        except TimeoutError:
            logger.info("%d connections did not close in %g s and are cut", len(self._open), seconds)
        await self.cut()

    def hurry(self) -> None:
        """Close every socket at once: nobody is given more time."""
        for connection in list(self._open):
            connection.abort()

    async def cut(self) -> None:
        """Close every socket, and return when all sessions have given back what they held."""
        self.hurry()
        await self._all_gone.wait()
