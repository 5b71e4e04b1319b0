"""The end of a connection in protocols with a close that the peer answers, as in both versions of AMQP.

    before OPEN -> OPEN -> CLOSING -> CLOSED

The states before OPEN belong to the protocol, and have lower numbers.
"""

from __future__ import annotations

from abc import ABCMeta, abstractmethod
from typing import TYPE_CHECKING, Any, Final

from batonmq.purity import mypyc_attr

if TYPE_CHECKING:
    from batonmq.protocols.sessions.link import Link

OPEN: Final = 10
CLOSING: Final = 11
"""We have sent our close. Only the client's answer counts, or a close that crossed ours."""
CLOSED: Final = 12


@mypyc_attr(allow_interpreted_subclasses=True)
class ClosingConnection(metaclass=ABCMeta):
    """The base of a protocol's connection: its state, its signs of life and its end."""

    __slots__ = ("_closing_since", "_heartbeat", "_link", "_patience", "state")

    def __init__(self, link: Link[Any], state: int, heartbeat: bytes, patience: float) -> None:
        """``heartbeat`` is what a sign of life looks like on the wire.

        ``patience``: the seconds within which the client has to finish the handshake, and to answer a close.
        """
        self._link = link
        self._heartbeat = heartbeat
        self._patience = patience
        self._closing_since = 0.0
        self.state = state
        link.heartbeats.await_log_in(patience)

    @abstractmethod
    def release(self) -> None:
        """Give back everything that the connection holds."""

    @abstractmethod
    def fell_silent(self) -> None:
        """Nothing has come from the client for longer than was agreed: end the connection."""

    def tick(self, now: float) -> float:
        """Send heartbeats when they are due, and end a connection that does not move; see ``Connection.tick``."""
        link = self._link
        beats = link.heartbeats
        beats.tick(now, is_suspended=link.intake.suspended)
        if self.state < OPEN:
            if beats.age(now) >= self._patience:
                link.log.closed("the handshake was not finished in time")
                self.finish()
        elif self.state == CLOSING:
            if now - self._closing_since >= self._patience:
                self.finish()
        elif self.state == OPEN:
            if beats.silence(now):
                self.fell_silent()
            elif beats.is_due(now):
                link.output.send(self._heartbeat)
        return beats.pace

    def start_closing(self) -> None:
        """Our close is about to be sent: wait for the answer."""
        self.state = CLOSING
        self._closing_since = self._link.broker.clock.monotonic()

    def finish(self, *, is_left: bool = False) -> None:
        """End the output: what was said is sent, and the socket closed. What is held still goes back.

        ``is_left``: the client closes the socket.
        """
        if self.state < CLOSING:
            self.release()
        self.state = CLOSED
        self._link.intake.close()
        self._link.output.finish(is_left=is_left)

    def lost(self) -> None:
        """The socket is gone: give back what the client held."""
        try:
            if self.state < CLOSING:
                self.release()
        finally:
            self.state = CLOSED

    def come_apart(self) -> None:  # noqa: B027 (most have no such part)
        """Drop what refers to the connection. No part of it does, unless a protocol says otherwise."""
