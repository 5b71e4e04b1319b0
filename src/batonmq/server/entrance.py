"""A port with TLS: a client goes through the handshake first, and then has a connection like any other.

It is accepted here and not by the loop's own server, which does not report a failed handshake, and keeps the
certificate that it started with.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
import ssl
from collections.abc import Callable
from typing import Final, Protocol

from batonmq.broker.model.access import User
from batonmq.protocols.sessions.heartbeats import SELDOM
from batonmq.server.addresses import address
from batonmq.server.certificates import certificate_name
from batonmq.server.connections import Connections
from batonmq.server.fair_line import network
from batonmq.server.listeners import ACCEPTED
from batonmq.server.refusals import Refusals
from batonmq.server.tls import Tls
from batonmq.server.tls_failures import WENT_AWAY, handshake_failure
from batonmq.server.vitals import Vitals

__all__ = ["Arrival", "Arrived", "Entrance", "MakeConnection"]

logger = logging.getLogger(__name__)

# How long a client has to answer the close of TLS, in seconds.
GOODBYE_SECONDS: Final = 2.0

# With too many open files: how long until the next accept, in seconds.
PAUSE_SECONDS: Final = 1.0
_EXHAUSTED: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})

Arrived = Callable[[ssl.SSLObject], str]
"""Called when the handshake is done; returns the user named by the certificate, or nothing."""


class MakeConnection(Protocol):
    """Creates the connection of a client."""

    def __call__(self, *, arrived: Arrived | None = None) -> asyncio.BaseProtocol:
        """``arrived`` is called when the handshake is done; None: without TLS."""


class Entrance:
    """One listening socket, and the clients that arrive there."""

    def __init__(
        self,
        listening: socket.socket,
        tls: Tls,
        alpn: tuple[str, ...],
        arrivals: Connections[Arrival],
        refusals: Refusals,
        make_connection: MakeConnection,
        vitals: Vitals | None = None,
    ) -> None:
        """Let clients in until `close`, on the running loop.

        ``alpn``: the protocols for ALPN (RFC 7301); if empty, clients that ask get no answer. ``arrivals``: all clients
        of the server with a handshake under way.
        """
        self._listening = listening
        self._tls = tls
        self._alpn = alpn
        self._arrivals = arrivals
        self._refusals = refusals
        self._make_connection = make_connection
        self._vitals = vitals or Vitals()
        self._loop = asyncio.get_running_loop()
        self._task = self._loop.create_task(self._accept())

    def close(self) -> None:
        """Stop accepting; the socket closes as soon as the loop releases it."""
        self._task.cancel()

    async def _accept(self) -> None:
        with self._listening:
            while True:
                for _ in range(ACCEPTED):
                    try:
                        self._take_in(*await self._loop.sock_accept(self._listening))
                    except OSError as error:
                        # Otherwise the client was gone before it was accepted.
                        if error.errno in _EXHAUSTED:
                            logger.error("no more connections can be accepted for now: %s", error.strerror)
                            await asyncio.sleep(PAUSE_SECONDS)
                # On asyncio's own loop, sock_accept returns at once while clients wait.
                await asyncio.sleep(0)

    def _take_in(self, accepted: socket.socket, peername: object) -> None:
        arrival = Arrival(self, accepted, address(peername)[0])
        if self._arrivals.add(arrival):
            arrival.start(self._loop)
        else:
            accepted.close()

    async def shake_hands(self, accepted: socket.socket, arrived: Arrived) -> None:
        """The handshake of one client, which becomes a connection. Raises OSError."""
        config = self._tls.config
        await self._loop.connect_accepted_socket(
            lambda: self._make_connection(arrived=arrived),
            accepted,
            ssl=self._tls.context(self._alpn),
            ssl_handshake_timeout=config.handshake_timeout,
            ssl_shutdown_timeout=GOODBYE_SECONDS,
        )

    def let_in(self, tls: ssl.SSLObject) -> str:
        """A handshake has succeeded; returns the user named by the certificate, or nothing."""
        self._vitals.shook_hands()
        return certificate_name(tls, self._tls.config.login_from)

    def left(self, arrival: Arrival) -> None:
        """Its handshake has ended, in success or failure."""
        self._arrivals.remove(arrival)

    def refuse(self, arrival: Arrival, why: str) -> None:
        """Its handshake failed: log that, unless the client only probed the port."""
        self._vitals.handshake_failed()
        if why == WENT_AWAY:
            logger.debug("%s: TLS handshake not finished: %s", arrival.peer, why)
        else:
            self._refusals.log(network(arrival.peer), f"{arrival.peer}: TLS handshake failed: {why}")


class Arrival:
    """A client whose handshake is under way."""

    __slots__ = ("_accepted", "_entrance", "_has_begun", "_task", "peer")

    def __init__(self, entrance: Entrance, accepted: socket.socket, peer: str) -> None:
        self._entrance = entrance
        self._accepted = accepted
        self._task: asyncio.Task[None] | None = None
        self._has_begun = False
        self.peer = peer

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begin the handshake."""
        self._task = loop.create_task(self._arrive())
        # Not in the task itself: a task that is cancelled before its first step runs no code.
        self._task.add_done_callback(self._over)

    async def _arrive(self) -> None:
        self._has_begun = True
        try:
            await self._entrance.shake_hands(self._accepted, self._arrived)
        except OSError as error:
            self._entrance.refuse(self, handshake_failure(error))

    def _over(self, _: asyncio.Task[None]) -> None:
        self._task = None
        self._entrance.left(self)
        if not self._has_begun:
            self._accepted.close()

    def _arrived(self, tls: ssl.SSLObject) -> str:
        # The connection takes over its place.
        self._entrance.left(self)
        return self._entrance.let_in(tls)

    # From the list of all arrivals: batonmq.server.connections.Connected

    def tick(self, now: float) -> float:
        """Do nothing: the loop limits the time of the handshake."""
        return SELDOM

    def users_changed(self, find: Callable[[str], User | None]) -> None:
        """Do nothing: no user is known yet."""

    def shutdown(self, reason: str) -> None:
        """The broker stops: abort the handshake, as there is nobody to tell yet."""
        self.abort()

    def abort(self) -> None:
        """Close the socket."""
        if self._task is not None:
            self._task.cancel()
