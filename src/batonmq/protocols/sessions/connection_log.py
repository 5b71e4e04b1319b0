"""The log of a client's connection: its log-in, its errors and its end, in the same words for every protocol.

Normal events are logged as info. Warnings are for what somebody may have to look at: an error that was answered, a
connection that broke. Text that a client has chosen is shown so that it stays within its line and its quotes.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from batonmq.clock import Clock
    from batonmq.protocols.sessions.host import Host

log = logging.getLogger("batonmq.connection")

# Longer texts and names are cut off.
TEXT_MAX = 1_000
NAME_MAX = 255


class ConnectionLog:
    """The log lines of one connection. The last one says how it ended; nothing is logged after that."""

    __slots__ = ("_began", "_clock", "_fields", "_host", "_is_over", "_peer", "_user")

    def __init__(self, host: Host, clock: Clock) -> None:
        self._host = host
        self._peer = peer = host.peer
        self._clock = clock
        self._began = clock.monotonic()
        self._user: str | None = None
        self._is_over = False
        # The extra fields of each line, for logs that programs read.
        self._fields = {"peer": peer}

    def logged_in(self, user: str, vhost: str, protocol: str, client: str = "", name: str = "") -> None:
        """Log a log-in. ``client`` is the product and its version, ``name`` the client's name for the connection."""
        self._user = user
        about = protocol
        if client:
            about += f", {quoted(client)}"
        if name:
            about += f", named {quoted(name)}"
        self._fields.update(user=one_line(user[:NAME_MAX]), vhost=vhost, protocol=protocol)
        said = "%s: user %s logged in to virtual host %s (%s)"
        log.info(said, self._peer, quoted(user), quoted(vhost), about, extra=self._fields)

    def failed(self, text: str, channel: int | None = None) -> None:
        """Log an error that was answered, and that closed a channel, if any; the connection goes on."""
        where = f"channel {channel} closed: " if channel is not None else ""
        fields = {**self._fields, "channel": channel}
        log.warning("%s: %s%s%s", self._peer, where, one_line(text), self._of_user(", "), extra=fields)

    def closed(self, text: str) -> None:
        """Log that the broker closes the connection for an error."""
        self._end(logging.WARNING, f"closed: {one_line(text)}")

    def ended(self, text: str) -> None:
        """Log that the broker closes the connection without an error."""
        self._end(logging.INFO, f"closed: {one_line(text)}")

    def left(self, text: str = "") -> None:
        """Log that the client has closed the connection."""
        self._end(logging.INFO, "closed by the client" + (f": {one_line(text)}" if text else ""))

    def broken(self, fault: Exception) -> None:
        """Log a fault of the broker's own that ends the connection."""
        said = "%s: a fault of the broker's own ended the connection"
        log.error(said, self._peer, exc_info=fault, extra=self._fields)

    def lost(self, *, in_order: bool = False) -> None:
        """Log that the socket closed without notice; ``in_order``: the transport was closed in order."""
        if in_order:
            self.left()
        elif self._user is None:
            # Probes of load balancers and port scanners are not worth a line.
            self._end(logging.DEBUG, "gone before the log-in")
        else:
            self._end(logging.WARNING, "lost: the client's side of the connection was closed without a word")

    def _end(self, level: int, what: str) -> None:
        if not self._is_over:
            self._is_over = True
            lasted = self._clock.monotonic() - self._began
            if self._user is None and level == logging.WARNING:
                # Strangers could fill the disk with such lines.
                self._host.log_refusal(f"{self._peer}: {what} (after {lasted:.1f} s)", self._fields)
                return
            said = "%s: %s (%safter %.1f s)"
            log.log(level, said, self._peer, what, self._of_user("", ", "), lasted, extra=self._fields)

    def _of_user(self, before: str, after: str = "") -> str:
        return f"{before}user {quoted(self._user)}{after}" if self._user is not None else ""


def quoted(name: str) -> str:
    """A name that a client has chosen, in quotes that it cannot end."""
    return repr(str(name[:NAME_MAX]))


def one_line(text: str) -> str:
    """A text that a client has chosen, on one line and with all unprintable characters escaped."""
    text = text[:TEXT_MAX]
    return text if text.isprintable() else "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)
