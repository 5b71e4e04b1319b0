"""What all connections of one server share."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import dataclass, field

from batonmq.broker.model.turn_time import TurnTime
from batonmq.clock import Clock
from batonmq.server.log_ins import LogIns
from batonmq.server.refusals import Refusals
from batonmq.server.store_room import StoreRoom
from batonmq.server.turn_line import TurnLine
from batonmq.server.turns import Turns

__all__ = ["ConnectionContext"]

READ_BUFFER = 64 * 1024

# A loop that reads ahead (Windows' proactor) keeps a buffer for as long as a connection is silent.
_SHARES_BUFFER = sys.platform != "win32"


def _new_buffer() -> memoryview:
    return memoryview(bytearray(READ_BUFFER))


@dataclass(frozen=True, slots=True)
class ConnectionContext:
    """The parts of the server that a connection uses."""

    turns: Turns
    turn_time: TurnTime
    line: TurnLine
    store_room: StoreRoom
    log_ins: LogIns
    refusals: Refusals
    """Of clients that speak TLS where there is none, and the other way round."""
    loop: asyncio.AbstractEventLoop
    clock: Clock
    handshake_timeout: float
    """Seconds that a client has for its first bytes."""
    _buffer: memoryview = field(default_factory=_new_buffer)

    def read_buffer(self) -> memoryview:
        """Where a connection's bytes are read: one buffer for all, since each copies out before the next is read."""
        return self._buffer if _SHARES_BUFFER else memoryview(bytearray(READ_BUFFER // 4))
