"""All connections of one server: how many there may be, what they are told together, and the orderly stop."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from typing import Generic, Protocol, TypeVar

from batonmq.broker.model.access import User
from batonmq.server.rounds import Rounds

__all__ = ["Connected", "Connections", "Places"]

logger = logging.getLogger(__name__)

# This many connections look at the time in one pass of the loop: 2 ms, if each has to send a heartbeat.
SHARE = 128


class Connected(Protocol):
    """A connection, as the list of all sees it."""

    peer: str
    """The client's address."""

    def tick(self, now: float) -> float:
        """Called now and then with the monotonic clock; returns in how many seconds to call it again."""

    def users_changed(self, find: Callable[[str], User | None]) -> None:
        """Rights have changed; `find` tells a user's present ones, and None for a user that is deleted."""

    def shutdown(self, reason: str) -> None:
        """The broker stops: tell the client."""

    def abort(self) -> None:
        """Close the socket at once."""


_Connection = TypeVar("_Connection", bound=Connected)


class Places:
    """How many sockets of clients there may be at once, whatever state each is in."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._taken = 0

    def change_limit(self, limit: int) -> None:
        """Allow another number from now on; those that are here stay."""
        self.limit = limit

    def take(self) -> bool:
        """Take one more; False: there are too many."""
        if self._taken >= self.limit:
            return False
        self._taken += 1
        return True

    def give_back(self) -> None:
        """One is free again."""
        self._taken -= 1


class Connections(Generic[_Connection]):
    """The open connections of one server."""

    def __init__(self, places: Places, *, part: int = 1) -> None:
        """Each takes one of `places`, as long as it is here. Of these all may be taken, or the second, third ... part.

        What is left is for others, however many come here.
        """
        self._places = places
        self._part = part
        # Those that are open.
        self._open: Rounds[_Connection] = Rounds()
        self._is_refusing = False
        self._all_gone: asyncio.Event = asyncio.Event()
        self._all_gone.set()

    def __len__(self) -> int:
        return len(self._open)

    def __iter__(self) -> Iterator[_Connection]:
        """Over those that are open now: they may come and go meanwhile."""
        return iter(list(self._open))

    def add(self, connection: _Connection) -> bool:
        """Take a new connection in; False: there are too many."""
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
        """Its socket is gone."""
        if self._open.leave(connection):
            self._places.give_back()
        if not self._open:
            self._all_gone.set()

    def tick(self) -> None:
        """Another round has begun: a quarter of a second has passed."""
        self._open.begin()

    def look(self, now: float) -> bool:
        """Have connections whose turn it is look at the time, as many as hold up nobody; True: some are left."""
        for connection in self._open.take(SHARE):
            self._open.look_again(connection, connection.tick(now))
        return self._open.has_due

    def users_changed(self, find: Callable[[str], User | None]) -> None:
        """Rights have changed, or users were deleted: each connection goes by the present ones from now on."""
        for connection in self:
            connection.users_changed(find)

    async def shutdown(self, reason: str, seconds: float) -> None:
        """Tell every client, and give them this long to take their leave; then close what is left."""
        for connection in self:
            connection.shutdown(reason)
        try:
            async with asyncio.timeout(seconds):
                await self._all_gone.wait()
        except TimeoutError:
            logger.info("%d connections did not close in %g s and are cut", len(self._open), seconds)
        await self.cut()

    def hurry(self) -> None:
        """Close every socket at once: nobody is given more time."""
        for connection in self:
            connection.abort()

    async def cut(self) -> None:
        """Close every socket, and return when all sessions have given back what they held."""
        self.hurry()
        await self._all_gone.wait()
