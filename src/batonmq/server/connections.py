"""All connections of one server: their limit, calls to all of them, and the orderly stop."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from typing import Generic, Protocol, TypeVar

from batonmq.broker.model.access import User
from batonmq.server.rounds import Rounds

__all__ = ["Connected", "Connections", "Places"]

logger = logging.getLogger(__name__)

# How many connections tick in one pass of the loop: 2 ms, if each has to send a heartbeat.
SHARE = 128


class Connected(Protocol):
    """A connection, as the list of all connections sees it."""

    peer: str
    """The client's address."""

    def tick(self, now: float) -> float:
        """Called regularly with the monotonic time; returns in how many seconds to call it again."""

    def users_changed(self, find: Callable[[str], User | None]) -> None:
        """Rights have changed; `find` returns a user with current rights, or None if deleted."""

    def shutdown(self, reason: str) -> None:
        """The broker stops: tell the client."""

    def abort(self) -> None:
        """Close the socket at once."""


_Connection = TypeVar("_Connection", bound=Connected)


class Places:
    """The limit of client sockets, whatever state each is in."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._taken = 0

    def change_limit(self, limit: int) -> None:
        """Set another limit; existing sockets stay."""
        self.limit = limit

    def take(self) -> bool:
        """Take a place; False: there is none."""
        if self._taken >= self.limit:
            return False
        self._taken += 1
        return True

    def give_back(self) -> None:
        """Give a place back."""
        self._taken -= 1


class Connections(Generic[_Connection]):
    """The open connections of one server."""

    def __init__(self, places: Places, *, part: int = 1) -> None:
        """Each takes one of `places` while it is open.

        They may take all places, or a half, a third and so on. The rest is for others, however many connections come
        here.
        """
        self._places = places
        self._part = part
        # The open connections.
        self._open: Rounds[_Connection] = Rounds()
        self._is_refusing = False
        self._all_gone: asyncio.Event = asyncio.Event()
        self._all_gone.set()

    def __len__(self) -> int:
        return len(self._open)

    def __iter__(self) -> Iterator[_Connection]:
        """Iterate over a copy: connections may come and go meanwhile."""
        return iter(list(self._open))

    def add(self, connection: _Connection) -> bool:
        """Add a new connection; False: there are too many."""
        most = max(1, self._places.limit // self._part)
        if len(self._open) >= most or not self._places.take():
            if not self._is_refusing:
                self._is_refusing = True
                logger.warning("%s: refused: there are %d connections, the limit", connection.peer, most)
            return False
        self._is_refusing = False
        self._open.join(connection)
        self._all_gone.clear()
        return True

    def remove(self, connection: _Connection) -> None:
        """Remove a connection whose socket is gone."""
        if self._open.leave(connection):
            self._places.give_back()
        if not self._open:
            self._all_gone.set()

    def tick(self) -> None:
        """Another round has begun: a quarter of a second has passed."""
        self._open.begin()

    def look(self, now: float) -> bool:
        """Tick the connections that are due, a bounded number of them; True: some are left."""
        for connection in self._open.take(SHARE):
            self._open.look_again(connection, connection.tick(now))
        return self._open.has_due

    def look_soon(self, connection: _Connection) -> None:
        """Tick this connection in the next round, whatever its last tick returned."""
        self._open.hurry(connection)

    def users_changed(self, find: Callable[[str], User | None]) -> None:
        """Rights have changed, or users were deleted: each connection uses the current ones from now on."""
        for connection in self:
            connection.users_changed(find)

    async def shutdown(self, reason: str, seconds: float) -> None:
        """Tell every client, and give them this long to leave; then close the rest."""
        for connection in self:
            connection.shutdown(reason)
        try:
            async with asyncio.timeout(seconds):
                await self._all_gone.wait()
        except TimeoutError:
            logger.info("%d connections did not close in %g s and are cut", len(self._open), seconds)
        await self.cut()

    def hurry(self) -> None:
        """Close every socket at once, without waiting."""
        for connection in self:
            connection.abort()

    async def cut(self) -> None:
        """Close every socket, and return when all sessions have given back what they held."""
        self.hurry()
        await self._all_gone.wait()
