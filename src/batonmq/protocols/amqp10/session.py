"""The server's side of one AMQP 1.0 connection: its requests, and the parts that handle them.

Bytes become events in ``FrameParser``; here these go to the connection, or to the session on their channel. Output is
collected until the server takes it at the end of its turn.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from batonmq.errors import BrokerError, StoreError
from batonmq.protocols.amqp10 import conditions
from batonmq.protocols.amqp10.codec.constants import ERROR, FRAME, HEADER, RUN, SASL, TRANSFER
from batonmq.protocols.amqp10.codec.dispositions import GATHERED
from batonmq.protocols.amqp10.codec.frames import Event, FrameParser
from batonmq.protocols.amqp10.codec.performatives import Attach, Close, Detach, Disposition, Flow, Open, SaslInit
from batonmq.protocols.amqp10.connection import Connection
from batonmq.protocols.amqp10.deliveries.serial import MASK
from batonmq.protocols.amqp10.failures import (
    ConnectionFailure,
    Failure,
    SessionFailure,
    as_failure,
)
from batonmq.protocols.amqp10.sessions import Sessions
from batonmq.protocols.amqp10.states import CLOSED, CLOSING, OPEN
from batonmq.protocols.sessions.link import Link
from batonmq.protocols.sessions.session import Session

if TYPE_CHECKING:
    from batonmq.broker import Broker
    from batonmq.protocols.amqp10.codec.performatives import Performative
    from batonmq.protocols.amqp10.containers import Containers
    from batonmq.protocols.amqp10.settings import Amqp10Settings
    from batonmq.protocols.sessions.failures import ClientFailure
    from batonmq.protocols.sessions.host import Host

__all__ = ["Amqp10Requests", "amqp10_session", "is_short"]

# The largest frame in octets before our open. A peer may count on 512 (§2.7.1); but clients send their properties in
# open, and links with filters right after it, without waiting for our limit.
OPENING_FRAME_MAX: Final = 8192


def amqp10_session(broker: Broker, host: Host, settings: Amqp10Settings, containers: Containers) -> Session[Event]:
    """The server's side of a new connection; ``containers`` are those of all connections of the server."""
    link: Link[Event] = Link(broker, host)
    parser = FrameParser(OPENING_FRAME_MAX, gathers=True)
    sessions = Sessions()
    connection = Connection(link, settings, parser, sessions, containers)
    return Session(link, Amqp10Requests(parser, connection, sessions), connection, sessions)


class Amqp10Requests:
    """The requests of one client; ``states`` defines what is expected when."""

    __slots__ = ("_connection", "_parser", "_sessions")

    def __init__(self, parser: FrameParser, connection: Connection, sessions: Sessions) -> None:
        self._parser = parser
        self._connection = connection
        self._sessions = sessions

    def parse(self, data: bytes) -> list[Event]:
        """The events completed by bytes from the client, which come in any pieces."""
        return self._parser.feed(data) if self._connection.state != CLOSED else []

    def take(self, events: list[Event], at: int) -> int:
        """Handle an event, or a run of them; returns the index of the next. Raises the errors of ``Requests``."""
        event = events[at]
        connection = self._connection
        if event[0] == TRANSFER or event[0] == RUN:
            if connection.state == OPEN:
                session = self._sessions.find(event[1])
                if session is None:
                    raise ConnectionFailure(conditions.NOT_ALLOWED, f"there is no session on channel {event[1]}")
                if not session.is_ending:
                    return session.take(events, at)
            elif connection.state < OPEN:
                connection.out_of_turn("transfer")
        elif event[0] == FRAME:
            self._receive(event[1], event[2])
        elif event[0] == HEADER:
            connection.receive_header(event[1])
        elif event[0] == SASL:
            if isinstance(event[1], SaslInit):
                connection.receive_init(event[1])
            else:
                connection.out_of_turn(type(event[1]).__name__)
        elif event[0] == ERROR:
            raise ConnectionFailure(event[1], event[2])
        # An empty frame needs no further handling.
        return at + 1

    def _receive(self, channel: int, performative: Performative) -> None:
        """A performative in a frame. Raises Failure, BrokerError."""
        connection = self._connection
        if connection.state >= CLOSING:
            # After our close only the client's counts (part 2 §2.4.6).
            if isinstance(performative, Close):
                connection.closed(performative)
        elif isinstance(performative, Open):
            connection.open(performative)
        elif connection.state < OPEN:
            raise ConnectionFailure(conditions.ILLEGAL_STATE, f"{type(performative).__name__} before open")
        elif isinstance(performative, Close):
            connection.closed(performative)
        else:
            assert connection.opened is not None
            self._sessions.handle(channel, performative, connection.opened)

    def is_quick(self, event: Event) -> bool:
        """Does it usually take only microseconds?"""
        if event[0] == TRANSFER or event[0] == RUN:
            return True
        if event[0] != FRAME:
            return False
        asked = event[2]
        if isinstance(asked, Disposition):
            return is_short(asked)
        return isinstance(asked, Flow)

    def refuse(self, event: Event, error: ClientFailure | BrokerError | StoreError) -> None:
        """End a link, a session or the connection for an error in a request."""
        assert isinstance(error, Failure | BrokerError | StoreError)
        failure = as_failure(error)
        session = None
        if event[0] == TRANSFER or event[0] == RUN or event[0] == FRAME:
            session = self._sessions.find(event[1])
        if session is None or isinstance(failure, ConnectionFailure):
            self._connection.fail(failure)
            return
        handle = _handle_of(event)
        if handle is None or isinstance(failure, SessionFailure):
            session.fail(failure)
        else:
            session.fail_link(handle, failure)

    def broken(self, event: Event) -> None:
        """Close the connection after a fault of the broker's own."""
        self._connection.fail(ConnectionFailure(conditions.INTERNAL_ERROR, "a fault of the broker's own; see its log"))


def is_short(disposition: Disposition) -> bool:
    """Does it name so few deliveries that settling them, or looking them up, usually takes only microseconds?"""
    return disposition.last is None or disposition.last - disposition.first & MASK < GATHERED


def _handle_of(event: Event) -> int | None:
    """The client's handle of the link that an event is about; None: it is about the whole session."""
    if event[0] == TRANSFER or event[0] == RUN:
        return event[2].handle
    if event[0] == FRAME and isinstance(event[2], Flow | Attach | Detach):
        return event[2].handle
    return None
