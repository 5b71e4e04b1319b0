"""The states of a connection, in order (part 2 §2.4.6, part 5 §5.3.2); CLOSING may follow any before it."""

from __future__ import annotations

from typing import Final

from batonmq.protocols.sessions.closing import CLOSED, CLOSING, OPEN

__all__ = [
    "AUTHENTICATING",
    "AWAIT_AMQP_HEADER",
    "AWAIT_HEADER",
    "AWAIT_INIT",
    "AWAIT_OPEN",
    "CLOSED",
    "CLOSING",
    "OPEN",
]

AWAIT_HEADER: Final = 0
"""No header has come yet."""
AWAIT_INIT: Final = 1
"""SASL mechanisms were offered."""
AUTHENTICATING: Final = 2
"""A password is being checked."""
AWAIT_AMQP_HEADER: Final = 3
"""Logged in."""
AWAIT_OPEN: Final = 4
"""Both sides have sent their headers."""
