"""What the log says of a client's connection: its log-in, its errors, its end, in the same words for every protocol.

Info is what goes as it should. Warning is what somebody may have to look at: an error that was answered, a connection
that broke. What a client has chosen itself is shown so that it stays within its line and its quotes.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from batonmq.clock import Clock

log = logging.getLogger("batonmq.connection")

# More of a text or of a name is not shown.
TEXT_MAX = 1_000
NAME_MAX = 255


class ConnectionLog:
    """One connection's lines. Each ends with the one that says how it ended; what follows from that is not said."""

    __slots__ = ("_began", "_clock", "_is_over", "_peer", "_user")

    def __init__(self, peer: str, clock: Clock) -> None:
        self._peer = peer
        self._clock = clock
        self._began = clock.monotonic()
        self._user: str | None = None
        self._is_over = False

    def logged_in(self, user: str, vhost: str, protocol: str, client: str = "", name: str = "") -> None:
        """``client`` is the product and its version, ``name`` what it calls the connection, where it says so."""
        self._user = user
        about = protocol
        if client:
            about += f", {quoted(client)}"
        if name:
            about += f", named {quoted(name)}"
        log.info("%s: user %s logged in to virtual host %s (%s)", self._peer, quoted(user), quoted(vhost), about)

    def failed(self, text: str, channel: int | None = None) -> None:
        """An error was answered: the channel is closed for it, if any; the connection goes on."""
        where = f"channel {channel} closed: " if channel is not None else ""
        log.warning("%s: %s%s%s", self._peer, where, one_line(text), self._of_user(", "))

    def closed(self, text: str) -> None:
        """We close the connection for an error."""
        self._end(logging.WARNING, f"closed: {one_line(text)}")

    def ended(self, text: str) -> None:
        """We close it, and nobody has done wrong."""
        self._end(logging.INFO, f"closed: {one_line(text)}")

    def left(self, text: str = "") -> None:
        """The client has taken its leave."""
        self._end(logging.INFO, "closed by the client" + (f": {one_line(text)}" if text else ""))

    def broken(self, fault: Exception) -> None:
        """A fault of the broker's own ends the connection."""
        log.error("%s: a fault of the broker's own ended the connection", self._peer, exc_info=fault)

    def lost(self, *, in_order: bool = False) -> None:
        """The socket is gone, without a word before; ``in_order``: what carried it was closed as it should be."""
        if in_order:
            self.left()
        elif self._user is None:
            # Probes of load balancers and port scanners are no news.
            self._end(logging.DEBUG, "gone before the log-in")
        else:
            self._end(logging.WARNING, "lost: the client's side of the connection was closed without a word")

    def _end(self, level: int, what: str) -> None:
        if not self._is_over:
            self._is_over = True
            lasted = self._clock.monotonic() - self._began
            log.log(level, "%s: %s (%safter %.1f s)", self._peer, what, self._of_user("", ", "), lasted)

    def _of_user(self, before: str, after: str = "") -> str:
        return f"{before}user {quoted(self._user)}{after}" if self._user is not None else ""


def quoted(name: str) -> str:
    """A name that somebody else has chosen, in quotes that it cannot end."""
    return repr(str(name[:NAME_MAX]))


def one_line(text: str) -> str:
    """A text with such names in it, on one line and without what makes a terminal or a reader see another."""
    text = text[:TEXT_MAX]
    return text if text.isprintable() else "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)
