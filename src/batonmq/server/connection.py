"""One client's socket: passes bytes to its session and output back, and slows down either side when the other lags."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar, cast

from batonmq.broker.model.access import LogInAnswer, User
from batonmq.protocols.sessions import standing as standings
from batonmq.protocols.sessions.heartbeats import OFTEN
from batonmq.protocols.sessions.standing import FINISHED, HELD
from batonmq.server.addresses import address
from batonmq.server.connection_context import ConnectionContext
from batonmq.server.connections import Connections
from batonmq.server.fair_line import network
from batonmq.server.holds import BACKLOG, FLOW, STORE_FULL, SUSPENDED, UNREAD, Holds
from batonmq.server.interface import Session
from batonmq.server.log_ins import Attempt
from batonmq.server.meter import Meter
from batonmq.server.outgoing import Outgoing
from batonmq.server.recognise import ServedProtocol, recognise
from batonmq.server.rounds import how_often
from batonmq.server.tls_failures import CLIENT_SPEAKS_TLS, begins_tls

__all__ = ["Connection"]

logger = logging.getLogger(__name__)

_Argument = TypeVar("_Argument")

# Standings in which a session takes no input.
BUSY = standings.BACKLOG | standings.SUSPENDED | FINISHED

# How long a publisher waits for consumers to catch up, in seconds, before the next 64 KiB are read from it.
#
# Without it the kernel gives the publisher all the time it wants, the backlog outgrows the memory and goes
# through the store: 9.3 us a message instead of 3.5 (bench/: 16 bytes, not persistent).
FLOW_SECONDS = 0.001

# When a turn's time is used up, input of no more than this many octets is still taken at once, so that small requests
# need not stand in line. More input is taken in pieces of this size: parsing one takes up to 2 ms.
SMALL_READ = 2 * 1024
PIECE = 16 * 1024


class Connection(asyncio.BufferedProtocol):
    """One client's socket, and the host of its session."""

    __slots__ = (
        "_arrived",
        "_attempt",
        "_buffer",
        "_connections",
        "_context",
        "_head",
        "_holds",
        "_is_ended",
        "_is_in_line",
        "_is_lost",
        "_is_woken",
        "_log_in",
        "_outgoing",
        "_protocol",
        "_protocols",
        "_session",
        "_transport",
        "_unread",
        "certificate_name",
        "is_loopback",
        "opened_at",
        "peer",
        "socket",
    )

    def __init__(
        self,
        connections: Connections[Connection],
        context: ConnectionContext,
        protocols: Sequence[ServedProtocol],
        *,
        arrived: Callable[[ssl.SSLObject], str] | None = None,
    ) -> None:
        """It joins `connections` when it is open.

        `protocols` are those of the port; the last one takes what no other does. `arrived` is called when the TLS
        handshake is done, and returns the user named by the certificate, or nothing.
        """
        self._connections = connections
        self._context = context
        self._protocols = protocols
        self._protocol = ""
        self._arrived = arrived
        self._buffer = context.read_buffer()
        self._session: Session | None = None
        self._head = b""
        self._holds = Holds()
        self.socket = Meter(self._holds)
        """The counters of the socket."""
        self._outgoing = Outgoing(self._holds, self.socket)
        self._is_woken = False
        # The conversation is over: further input is dropped.
        self._is_ended = False
        self._is_lost = False
        # Is it in the line of connections with input left over?
        self._is_in_line = False
        # Input left for later.
        self._unread = b""
        # The callback for the outcome of a password check.
        self._log_in: Callable[[LogInAnswer], None] | None = None
        self._attempt: Attempt | None = None
        self.peer = "unknown"
        self.is_loopback = False
        self.certificate_name = ""
        self.opened_at = 0.0

    # From the event loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client has connected."""
        # uvloop's transports have the methods and not the base class.
        self._transport = transport = cast(asyncio.Transport, transport)
        self._context.between_clients()
        self._holds.begin(transport)
        self._outgoing.begin(transport)
        self.socket.begin(transport)
        self.peer, self.is_loopback = address(transport.get_extra_info("peername"))
        self.opened_at = self._context.clock.monotonic()
        arrived, self._arrived = self._arrived, None
        if arrived is not None:
            self.certificate_name = arrived(transport.get_extra_info("ssl_object"))
        if not self._connections.add(self):
            self._is_ended = True
            transport.abort()

    def get_buffer(self, sizehint: int) -> memoryview:
        """The buffer into which the loop reads."""
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """So many bytes were read into the buffer."""
        if self._is_ended:
            return
        # The buffer is shared with other connections: copied before anything else can be read into it.
        data = self._buffer[:nbytes].tobytes()
        self._context.between_clients()
        self.socket.received(nbytes)
        session = self._session
        if session is None:
            data = self._head + data
            session = self._begin(data)
            if session is None:
                return
        elif session.standing() & FINISHED:
            return
        if self._unread or (nbytes > SMALL_READ and self._context.turn_time.left <= 0):
            self._unread += data
            self._holds.hold(BACKLOG)
            self.wake()
        else:
            self._take(session, data)

    def _take(self, session: Session, data: bytes) -> None:
        """Pass input to the session."""
        context = self._context
        turn_time = context.turn_time
        left = turn_time.left
        began = context.clock.monotonic()
        try:
            session.receive(data)
        except Exception:
            self.broken("taking what the client sent")
            return
        # Including the time for parsing.
        turn_time.spend_since(began, left)
        self.wake()
        standing = session.standing()
        if standing & standings.SUSPENDED:
            self._holds.hold(SUSPENDED)
        if standing & standings.BACKLOG:
            self._holds.hold(BACKLOG)
        if context.store_room.is_full():
            self._holds.hold(STORE_FULL)
            context.store_room.wait(self)
        if session.needs_flow_control():
            self._holds.hold(FLOW)
            context.loop.call_later(FLOW_SECONDS, self._holds.release, FLOW)

    def eof_received(self) -> bool:
        """The client has closed its side: send the rest, then close ours."""
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket is gone."""
        self._is_lost = self._is_ended = True
        self._context.between_clients()
        self._connections.remove(self)
        self._holds.end()
        self._outgoing.end()
        self.socket.end()
        # These refer to this connection. Without them it is freed at once, not by the cycle collector.
        session, self._session = self._session, None
        self._log_in = None
        attempt, self._attempt = self._attempt, None
        if attempt is not None:
            self._context.log_ins.withdraw(attempt)
        self._head = self._unread = b""
        del self._transport
        if session is not None:
            try:
                session.connection_lost()
            except Exception:
                logger.exception("%s: giving back what the client held failed", self.peer)
            self._context.turns.request()

    def pause_writing(self) -> None:
        """The client reads too slowly."""
        self._tell_writable(is_writable=False)

    def resume_writing(self) -> None:
        """The client has caught up."""
        self._holds.release(UNREAD)
        self._tell_writable(is_writable=True)
        self.wake()

    # From the session: batonmq.server.interface.Host

    def wake(self) -> None:
        """There is output, or may be: flush at the end of the turn."""
        if not self._is_woken:
            self._is_woken = True
            self._context.turns.wake(self)

    def resume(self) -> None:
        """The session no longer waits for the store."""
        self._holds.release(SUSPENDED)
        self.wake()

    def tick_soon(self) -> None:
        """The session has another pace now."""
        self._connections.look_soon(self)

    def log_refusal(self, line: str, fields: Mapping[str, object] | None = None) -> None:
        """The client was turned away without a log-in."""
        self._context.refusals.log(network(self.peer), line, fields)

    def authenticate(self, user: str, password: str, callback: Callable[[LogInAnswer], None]) -> None:
        """Check a password; the callback gets the answer unless the client is gone by then."""
        self._log_in = callback
        self._attempt = self._context.log_ins.authenticate(
            user, password, self.peer, self._answered, is_loopback=self.is_loopback, protocol=self._protocol
        )

    def log_in_by_certificate(self, callback: Callable[[LogInAnswer], None]) -> None:
        """Let in the user whom the client's certificate names; the callback gets the same answers as for a password."""
        self._log_in = callback
        self._attempt = self._context.log_ins.vouched(
            self.certificate_name,
            self.peer,
            self._answered,
            is_loopback=self.is_loopback,
            protocol=self._protocol,
        )

    # From the rest of the server

    def flush(self) -> None:
        """Send the session's output in one write; close the socket when the session is finished."""
        self._is_woken = False
        session = self._session
        if session is None or self._is_ended:
            return
        standing = session.standing()
        if standing & HELD:
            return
        holds = self._holds
        if holds.reasons & UNREAD and not standing & FINISHED:
            # The output stays in the session, which sees from it how much there is.
            return
        session.turn_ended()
        if session.output:
            self._outgoing.send(session.output)
        standing = session.standing()
        if standing & FINISHED:
            self._is_ended = True
            self._outgoing.close(self._context.loop, is_left=bool(standing & standings.LEFT))
        elif standing & standings.BACKLOG or self._unread:
            holds.hold(BACKLOG)
            if not self._is_in_line and not holds.reasons & UNREAD and not standing & standings.SUSPENDED:
                self._is_in_line = True
                self._context.line.join(self)
        elif holds.reasons & BACKLOG:
            holds.release(BACKLOG)

    def go_on(self) -> None:
        """Its turn in the line: go on with the input left over."""
        self._is_in_line = False
        session = self._session
        if session is None or self._is_ended or self._holds.reasons & UNREAD:
            return
        share = self._context.turn_time.share()
        session.go_on()
        while self._unread and not (session.standing() & BUSY or self._is_ended):
            piece, self._unread = self._unread[:PIECE], self._unread[PIECE:]
            self._take(session, piece)
            if share.is_used():
                break
        self.wake()

    def tick(self, now: float) -> float:
        """Time has passed; returns in how many seconds to call again."""
        session = self._session
        if self._is_ended:
            return OFTEN
        if session is None:
            if now - self.opened_at > self._context.handshake_timeout:
                self.log_refusal(f"{self.peer}: closed: the client said nothing")
                self.abort()
            return how_often(self._context.handshake_timeout)
        try:
            again = session.tick(now)
        except Exception:
            self.broken("looking at the time")
            return OFTEN
        if session.output or session.standing() & FINISHED:
            self.wake()
        return again

    def users_changed(self, find: Callable[[str], User | None]) -> None:
        """Rights have changed."""
        if self._session is not None and not self._is_ended:
            self._attempt_to("looking at the rights of its user", self._session.users_changed, find)

    def committed(self) -> None:
        """A commit has made room in the store."""
        self._holds.release(STORE_FULL)

    def shutdown(self, reason: str) -> None:
        """The broker stops: let the session tell the client."""
        session = self._session
        if session is None:
            self.abort()
        elif not self._is_ended and self._attempt_to(
            "telling the client that the broker stops", session.shutdown, reason
        ):
            self.wake()

    def broken(self, what: str) -> None:
        """A fault of ours: log it and close this connection, and no other."""
        logger.exception("%s: connection closed: %s failed", self.peer, what)
        self.abort()

    def abort(self) -> None:
        """Close the socket at once; unsent output is lost."""
        self._is_ended = True
        if not self._is_lost:
            self._transport.abort()

    # Within

    def _attempt_to(self, what: str, call: Callable[[_Argument], object], argument: _Argument) -> bool:
        """Call the session; False: that failed, and the connection is closed."""
        try:
            call(argument)
        except Exception:
            self.broken(what)
            return False
        return True

    def _answered(self, found: LogInAnswer) -> None:
        """The password of a log-in has been checked."""
        callback, self._log_in = self._log_in, None
        self._attempt = None
        if callback is not None and not self._is_ended and self._attempt_to("answering a log-in", callback, found):
            self.wake()

    def _begin(self, head: bytes) -> Session | None:
        """Create the session as soon as the first bytes reveal the protocol."""
        answer = self._protocols[-1].answer_to_tls
        if answer is not None and begins_tls(head):
            self.log_refusal(f"{self.peer}: closed: {CLIENT_SPEAKS_TLS}")
            self._is_ended = True
            self._outgoing.send([answer])
            self._outgoing.close(self._context.loop)
            return None
        protocol = recognise(self._protocols, head)
        if protocol is None:
            self._head = head
            return None
        self._head = b""
        self._protocol = protocol.word
        try:
            session = protocol.make_session(self)
        except Exception:
            self.broken(f"beginning to speak {protocol.name}")
            return None
        self._session = session
        return session

    def _tell_writable(self, *, is_writable: bool) -> None:
        session = self._session
        if (
            session is not None
            and not self._is_ended
            and self._attempt_to("holding up deliveries", session.writable, is_writable)
        ):
            self._context.turns.request()
