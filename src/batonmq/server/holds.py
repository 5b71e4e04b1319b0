"""The reasons for not reading from a client's socket.

Reading stops while any of these holds, and TCP then slows the client down:

    SUSPENDED   the session waits for the store
    STORE_FULL  more is collected for the store than it may hold; ends with the next commit
    UNREAD      the client does not read what it is sent, and too much has piled up
    BACKLOG     the client has asked for more than fits in a turn; ends when that is done
    FLOW        the client publishes faster than busy consumers can take it; ends within a millisecond
"""

from __future__ import annotations

import asyncio

__all__ = ["BACKLOG", "FLOW", "STORE_FULL", "SUSPENDED", "UNREAD", "Holds"]

SUSPENDED = 1
STORE_FULL = 2
UNREAD = 4
FLOW = 8
BACKLOG = 16


class Holds:
    """The reasons why one socket is not read; it is read again when the last one ends."""

    __slots__ = ("_transport", "reasons")

    def __init__(self) -> None:
        self._transport: asyncio.ReadTransport | None = None
        self.reasons = 0
        """The reasons that hold now, added up."""

    def begin(self, transport: asyncio.ReadTransport) -> None:
        """The socket is open."""
        self._transport = transport

    def end(self) -> None:
        """The socket is gone."""
        self._transport = None

    def hold(self, reason: int) -> None:
        """Stop reading for this reason. Repeating it changes nothing."""
        if not self.reasons and self._transport is not None:
            self._transport.pause_reading()
        self.reasons |= reason

    def release(self, reasons: int) -> None:
        """End these reasons, which are added up."""
        if self.reasons & reasons:
            self.reasons &= ~reasons
            transport = self._transport
            if not self.reasons and transport is not None and not transport.is_closing():
                transport.resume_reading()
