"""The parts that all connections of one server share."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
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

# A loop that reads ahead (Windows' proactor) holds a buffer for each silent connection.
_SHARES_BUFFER = sys.platform != "win32"


def _new_buffer() -> memoryview:
    return memoryview(bytearray(READ_BUFFER))


@dataclass(frozen=True, slots=True)
class ConnectionContext:
    """The parts of the server that a connection uses."""

    turns: Turns
    turn_time: TurnTime
    line: TurnLine
    between_clients: Callable[[], None]
    """Call this before a client is served: others need not wait until the end of the pass for what is over by now."""
    store_room: StoreRoom
    log_ins: LogIns
    refusals: Refusals
    """Refused clients: those that speak TLS to a port without it, and the other way round."""
    loop: asyncio.AbstractEventLoop
    clock: Clock
    handshake_timeout: float
    """Seconds that a client has for its first bytes."""
    _buffer: memoryview = field(default_factory=_new_buffer)

    def read_buffer(self) -> memoryview:
        """The buffer into which all connections read, since each copies its bytes before the next one reads."""
        return self._buffer if _SHARES_BUFFER else memoryview(bytearray(READ_BUFFER // 4))
