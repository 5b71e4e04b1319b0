"""One client's socket: bytes to its session, the session's output back, and both held up when somebody is too slow.

Reading stops while any of these holds, and TCP then slows the client down:

    SUSPENDED   the session waits for the store
    STORE_FULL  more is collected for the store than it may hold; ends with the next commit
    UNREAD      the client does not read what it is sent, and that has grown too much
    BACKLOG     the client has asked for more than fits a turn; ends when that is done
    AHEAD       the client publishes faster than consumers that are at work take it; ends within a millisecond
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, cast

from batonmq.broker.model.access import LogInAnswer, User
from batonmq.server.interface import Session
from batonmq.server.log_ins import Attempt
from batonmq.server.recognise import ServedProtocol, recognise

if TYPE_CHECKING:
    from batonmq.server.connections import Connections

__all__ = ["Connection"]

logger = logging.getLogger(__name__)

SUSPENDED = 1
STORE_FULL = 2
UNREAD = 4
AHEAD = 8
BACKLOG = 16

# How long a publisher waits for consumers to catch up, in seconds, before the next 64 KiB are read from it.
#
# Without it the kernel gives the publisher all the time that it asks for, the backlog outgrows the memory and goes
# through the store: 9.3 us a message instead of 3.5 (bench/: 16 bytes, not persistent).
AHEAD_SECONDS = 0.001

# Above this many bytes that the system has not taken, deliveries to the client wait.
UNSENT_HIGH = 1024 * 1024
UNSENT_LOW = 256 * 1024
# Above this many its requests wait too, and so does what else there is to say.
UNSENT_LIMIT = 4 * UNSENT_HIGH

# When a turn's time is used up, what a client sends is taken at once if it is no more than this: who wants little need
# not stand in line. Of more, so many octets are taken at a time: parsing alone takes up to 2 ms then.
SMALL_READ = 2 * 1024
PIECE = 16 * 1024

# How long a client has to take what is left and close its side, once the conversation is over.
LINGER_SECONDS = 2.0


class Connection(asyncio.BufferedProtocol):
    """One client's socket, and what its session sees of the server."""

    __slots__ = (
        "_attempt",
        "_buffer",
        "_connections",
        "_head",
        "_holds",
        "_is_ended",
        "_is_in_line",
        "_is_lost",
        "_is_woken",
        "_linger",
        "_log_in",
        "_protocols",
        "_session",
        "_transport",
        "_unread",
        "is_loopback",
        "opened_at",
        "peer",
    )

    def __init__(self, connections: Connections, protocols: Sequence[ServedProtocol]) -> None:
        """`protocols` are those of the port, the last of which takes whatever no other does."""
        self._connections = connections
        self._protocols = protocols
        self._buffer = connections.read_buffer()
        self._session: Session | None = None
        self._head = b""
        self._holds = 0
        self._is_woken = False
        # Nothing more is said: what still comes is dropped.
        self._is_ended = False
        self._is_lost = False
        # What was left for later is looked at when it is its turn.
        self._is_in_line = False
        # What has come and was left for later.
        self._unread = b""
        self._linger: asyncio.TimerHandle | None = None
        # What is called when the password has been checked.
        self._log_in: Callable[[LogInAnswer], None] | None = None
        self._attempt: Attempt | None = None
        self.peer = "unknown"
        self.is_loopback = False
        self.opened_at = 0.0

    # From the event loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client has connected."""
        # uvloop's transports have the methods and not the base class.
        self._transport = transport = cast(asyncio.Transport, transport)
        self.peer, self.is_loopback = address(transport.get_extra_info("peername"))
        self.opened_at = self._connections.clock.monotonic()
        transport.set_write_buffer_limits(high=UNSENT_HIGH, low=UNSENT_LOW)
        if not self._connections.add(self):
            self._is_ended = True
            transport.abort()

    def get_buffer(self, sizehint: int) -> memoryview:
        """Where the loop shall put what comes."""
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """So many bytes have come."""
        if self._is_ended:
            return
        # The buffer is shared with other connections: copied before anything else can be read into it.
        data = self._buffer[:nbytes].tobytes()
        session = self._session
        if session is None:
            data = self._head + data
            session = self._begin(data)
            if session is None:
                return
        elif session.finished:
            return
        if self._unread or (nbytes > SMALL_READ and self._connections.turn_time.left <= 0):
            self._unread += data
            self._hold(BACKLOG)
            self.wake()
        else:
            self._take(session, data)

    def _take(self, session: Session, data: bytes) -> None:
        """Have the session take in what came."""
        connections = self._connections
        turn_time = connections.turn_time
        left = turn_time.left
        began = connections.clock.monotonic()
        try:
            session.receive(data)
        except Exception:
            self.broken("taking what the client sent")
            return
        # With what parsing took.
        turn_time.left = left - (connections.clock.monotonic() - began)
        if not self._is_woken:
            self._is_woken = True
            connections.turns.wake(self)
        if session.suspended:
            self._hold(SUSPENDED)
        if session.has_backlog:
            self._hold(BACKLOG)
        if connections.is_store_full():
            self._hold(STORE_FULL)
            connections.wait_for_commit(self)
        if session.is_ahead():
            self._hold(AHEAD)
            connections.loop.call_later(AHEAD_SECONDS, self._release, AHEAD)

    def eof_received(self) -> bool:
        """The client has closed its side: send what is left, then close ours."""
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket is gone."""
        self._is_lost = self._is_ended = True
        self._connections.remove(self)
        # Each of these knows this connection: it is to be free at once, without a search for circles.
        session, self._session = self._session, None
        linger, self._linger = self._linger, None
        self._log_in = None
        attempt, self._attempt = self._attempt, None
        if attempt is not None:
            self._connections.log_ins.withdraw(attempt)
        self._head = self._unread = b""
        del self._transport
        if linger is not None:
            linger.cancel()
        if session is not None:
            try:
                session.connection_lost()
            except Exception:
                logger.exception("%s: giving back what the client held failed", self.peer)
            self._connections.turns.request()

    def pause_writing(self) -> None:
        """The client does not read fast enough."""
        self._tell_writable(is_writable=False)

    def resume_writing(self) -> None:
        """The client has caught up."""
        self._release(UNREAD)
        self._tell_writable(is_writable=True)
        self.wake()

    # From the session: batonmq.server.interface.Host

    def wake(self) -> None:
        """There is output, or may be: flush at the end of the turn."""
        if not self._is_woken:
            self._is_woken = True
            self._connections.turns.wake(self)

    def resume(self) -> None:
        """The session no longer waits for the store."""
        self._release(SUSPENDED)
        self.wake()

    def authenticate(self, user: str, password: str, callback: Callable[[LogInAnswer], None]) -> None:
        """See Host."""
        self._log_in = callback
        self._attempt = self._connections.log_ins.authenticate(
            user, password, self.peer, self._answered, is_loopback=self.is_loopback
        )

    # From the rest of the server

    def flush(self) -> None:
        """Send the session's output in one write; close the socket when the session is finished."""
        self._is_woken = False
        session = self._session
        if session is None or self._is_ended or session.is_held:
            return
        if self._holds & UNREAD and not session.finished:
            # It stays in the session, which sees by that how much there is.
            return
        session.turn_ended()
        output = session.output
        if output:
            transport = self._transport
            transport.write(output[0] if len(output) == 1 else b"".join(output))
            output.clear()
            if transport.get_write_buffer_size() > UNSENT_LIMIT:
                self._hold(UNREAD)
        if session.finished:
            self._end()
        elif session.has_backlog or self._unread:
            self._hold(BACKLOG)
            if not self._is_in_line and not self._holds & UNREAD and not session.suspended:
                self._is_in_line = True
                self._connections.stand_in_line(self)
        else:
            self._release(BACKLOG)

    def go_on(self) -> None:
        """It is its turn: do more of what was left for later."""
        self._is_in_line = False
        session = self._session
        if session is None or self._is_ended or self._holds & UNREAD:
            return
        share = self._connections.turn_time.share()
        session.go_on()
        while self._unread and not (session.has_backlog or session.suspended or session.finished or self._is_ended):
            piece, self._unread = self._unread[:PIECE], self._unread[PIECE:]
            self._take(session, piece)
            if share.is_used():
                break
        self.wake()

    def tick(self, now: float) -> None:
        """Time has passed."""
        session = self._session
        if self._is_ended:
            return
        if session is None:
            if now - self.opened_at > self._connections.handshake_timeout:
                logger.warning("%s: closed: the client said nothing", self.peer)
                self.abort()
            return
        try:
            session.tick(now)
        except Exception:
            self.broken("looking at the time")
            return
        if session.output or session.finished:
            self.wake()

    def users_changed(self, find: Callable[[str], User | None]) -> None:
        """Rights have changed."""
        if self._session is None or self._is_ended:
            return
        try:
            self._session.users_changed(find)
        except Exception:
            self.broken("looking at the rights of its user")

    def committed(self) -> None:
        """A commit has made room in the store."""
        self._release(STORE_FULL)

    def shutdown(self, reason: str) -> None:
        """The broker stops: let the session say so."""
        session = self._session
        if session is None:
            self.abort()
        elif not self._is_ended:
            try:
                session.shutdown(reason)
            except Exception:
                self.broken("telling the client that the broker stops")
            else:
                self.wake()

    def broken(self, what: str) -> None:
        """A fault of ours: log it and close this connection, and no other."""
        logger.exception("%s: connection closed: %s failed", self.peer, what)
        self.abort()

    def abort(self) -> None:
        """Close the socket at once; what is unsent is lost."""
        self._is_ended = True
        if not self._is_lost:
            self._transport.abort()

    # Within

    def _answered(self, found: LogInAnswer) -> None:
        """The password of a log-in has been checked."""
        callback, self._log_in = self._log_in, None
        self._attempt = None
        if self._is_ended or callback is None:
            return
        try:
            callback(found)
        except Exception:
            self.broken("answering a log-in")
        else:
            self.wake()

    def _begin(self, head: bytes) -> Session | None:
        """Make the session as soon as the first bytes tell the protocol."""
        protocol = recognise(self._protocols, head)
        if protocol is None:
            self._head = head
            return None
        self._head = b""
        try:
            session = protocol.make_session(self)
        except Exception:
            self.broken(f"beginning to speak {protocol.name}")
            return None
        self._session = session
        return session

    def _hold(self, reason: int) -> None:
        if not self._holds:
            self._transport.pause_reading()
        self._holds |= reason

    def _release(self, reason: int) -> None:
        if self._holds & reason:
            self._holds &= ~reason
            if not self._holds and not self._is_lost and not self._transport.is_closing():
                self._transport.resume_reading()

    def _tell_writable(self, *, is_writable: bool) -> None:
        if self._session is not None and not self._is_ended:
            try:
                self._session.writable(is_writable)
            except Exception:
                self.broken("holding up deliveries")
            else:
                self._connections.turns.request()

    def _end(self) -> None:
        """Close our side, and take in what the client still sends until it closes its own.

        A socket closed with unread bytes makes the system send a reset, which takes from the client what it has not
        read yet: the very error that tells it what it did wrong.
        """
        self._is_ended = True
        transport = self._transport
        if transport.is_closing():
            return
        self._linger = self._connections.loop.call_later(LINGER_SECONDS, transport.abort)
        if transport.can_write_eof():
            self._release(SUSPENDED | STORE_FULL | UNREAD | BACKLOG)
            with contextlib.suppress(OSError):  # the client is gone already, which the loop is about to tell
                transport.write_eof()
        else:
            transport.close()


def address(peername: object) -> tuple[str, bool]:
    """A socket's other end for logs and listings, and whether it is on this machine."""
    if not isinstance(peername, tuple) or len(peername) < 2:
        return "unknown", False
    host, port = str(peername[0]), int(peername[1])
    try:
        ip = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return f"{host}:{port}", False
    mapped = ip.ipv4_mapped if isinstance(ip, ipaddress.IPv6Address) else None
    if mapped is not None:
        return f"{mapped}:{port}", mapped.is_loopback
    return (f"[{host}]:{port}" if ip.version == 6 else f"{host}:{port}"), ip.is_loopback
