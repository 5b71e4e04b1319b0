"""The line of received requests: one starts in each pass of the loop, from each address in turn.

A request takes up to a millisecond of the loop, and a connection may bring hundreds at once. When eighty connections
asked as fast as they could, each pass of the loop served all of them: half of the passes took 6 ms, and the requests
took most of the processor.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque

__all__ = ["RequestLine"]


class RequestLine:
    """The requests waiting for their turn. Created on the loop, or before it runs."""

    def __init__(self) -> None:
        # By address, the one that was served longest ago first.
        self._waiting: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()
        self._is_scheduled = False

    async def turn(self, address: str) -> None:
        """Return when it is the turn of a request from that address."""
        loop = asyncio.get_running_loop()
        turn = loop.create_future()
        self._waiting.setdefault(address, deque()).append(turn)
        self._schedule(loop)
        await turn

    def _schedule(self, loop: asyncio.AbstractEventLoop) -> None:
        if not self._is_scheduled:
            self._is_scheduled = True
            loop.call_soon(self._next, loop)

    def _next(self, loop: asyncio.AbstractEventLoop) -> None:
        self._is_scheduled = False
        while self._waiting:
            address, turns = self._waiting.popitem(last=False)
            turn = turns.popleft()
            if turns:
                self._waiting[address] = turns
            if not turn.done():
                turn.set_result(None)
                break
            # Its client has left meanwhile.
        if self._waiting:
            self._schedule(loop)
