"""The states of a connection, and which method of the client's is expected in each (AMQP 0-9-1 §2.2.4).

What is not in the table is an error: 503 COMMAND_INVALID, and before the log-in is done the socket just closes.
"""

from __future__ import annotations

from batonmq.protocols.amqp091 import methods

AWAIT_HEADER = 0
AWAIT_START_OK = 1
AUTHENTICATING = 2
AWAIT_TUNE_OK = 3
AWAIT_OPEN = 4
OPEN = 5
CLOSING = 6
CLOSED = 7

EXPECTED: dict[int, tuple[type[methods.Method], ...]] = {
    AWAIT_START_OK: (methods.ConnectionStartOk,),
    AWAIT_TUNE_OK: (methods.ConnectionTuneOk,),
    AWAIT_OPEN: (methods.ConnectionOpen,),
    OPEN: (methods.ConnectionUpdateSecret,),
}
