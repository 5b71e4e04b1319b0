"""The output to one client: written as fast as the client takes it, up to the orderly end of its socket."""

from __future__ import annotations

import asyncio
import contextlib

from batonmq.server.holds import BACKLOG, STORE_FULL, SUSPENDED, UNREAD, Holds
from batonmq.server.meter import Meter

__all__ = ["UNSENT_HIGH", "UNSENT_LIMIT", "UNSENT_LOW", "Outgoing"]

# With more bytes than this in the transport's buffer, deliveries to the client wait.
UNSENT_HIGH = 1024 * 1024
UNSENT_LOW = 256 * 1024
# With more than this, its requests and all other output wait, too.
UNSENT_LIMIT = 4 * UNSENT_HIGH

# How long a client has to read the rest and close its side at the end, in seconds.
LINGER_SECONDS = 2.0

# How long a client that has asked for the end has to close its side first. Some take an end of the socket that comes
# together with the answer for a lost connection.
LEAVING_SECONDS = 0.5


class Outgoing:
    """The sending side of one socket."""

    __slots__ = ("_holds", "_linger", "_meter", "_transport")

    def __init__(self, holds: Holds, meter: Meter) -> None:
        self._holds = holds
        self._meter = meter
        self._transport: asyncio.Transport | None = None
        self._linger: asyncio.TimerHandle | None = None

    def begin(self, transport: asyncio.Transport) -> None:
        """The socket is open."""
        self._transport = transport
        transport.set_write_buffer_limits(high=UNSENT_HIGH, low=UNSENT_LOW)

    def end(self) -> None:
        """The socket is gone."""
        self._transport = None
        linger, self._linger = self._linger, None
        if linger is not None:
            linger.cancel()

    def send(self, output: list[bytes]) -> None:
        """Send all of it in one write, and empty the list. While a client does not read, it is not read from either."""
        transport = self._transport
        if transport is None:
            return
        data = output[0] if len(output) == 1 else b"".join(output)
        transport.write(data)
        output.clear()
        self._meter.sent(len(data))
        if transport.get_write_buffer_size() > UNSENT_LIMIT:
            self._holds.hold(UNREAD)

    def close(self, loop: asyncio.AbstractEventLoop, *, is_left: bool = False) -> None:
        """Close our side, and read what the client still sends until it closes its own.

        ``is_left``: the client is to close first, and has half a second for that.

        Closing a socket with unread bytes makes the system send a reset, and the client would lose output that it has
        not read yet, such as the error that explains the close.
        """
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        self._linger = loop.call_later(LINGER_SECONDS, transport.abort)
        self._holds.release(SUSPENDED | STORE_FULL | UNREAD | BACKLOG)
        if is_left:
            loop.call_later(LEAVING_SECONDS, self._close_side)
        else:
            self._close_side()

    def _close_side(self) -> None:
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        if transport.can_write_eof():
            with contextlib.suppress(OSError):  # the client is gone already, which the loop is about to tell
                transport.write_eof()
        else:
            transport.close()
