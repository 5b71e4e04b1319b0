"""The states of a connection, and which method of the client's is expected while it is opened (AMQP 0-9-1 §2.2.4).

    OPENING -> OPEN -> CLOSING -> CLOSED
    OPENING: AWAIT_HEADER -> AWAIT_START_OK -> AUTHENTICATING -> AWAIT_TUNE_OK -> AWAIT_OPEN

What is not in the table is an error: 503 COMMAND_INVALID, and before the log-in is done the socket just closes.
"""

from __future__ import annotations

from typing import Final

from batonmq.protocols.amqp091 import methods
from batonmq.protocols.sessions.closing import CLOSED, CLOSING, OPEN

__all__ = [
    "AUTHENTICATING",
    "AWAIT_HEADER",
    "AWAIT_OPEN",
    "AWAIT_START_OK",
    "AWAIT_TUNE_OK",
    "CLOSED",
    "CLOSING",
    "EXPECTED",
    "OPEN",
    "OPENING",
]

OPENING: Final = 0

AWAIT_HEADER: Final = 0
AWAIT_START_OK: Final = 1
AUTHENTICATING: Final = 2
AWAIT_TUNE_OK: Final = 3
AWAIT_OPEN: Final = 4

EXPECTED: Final[dict[int, type[methods.Method]]] = {
    AWAIT_START_OK: methods.ConnectionStartOk,
    AWAIT_TUNE_OK: methods.ConnectionTuneOk,
    AWAIT_OPEN: methods.ConnectionOpen,
}
