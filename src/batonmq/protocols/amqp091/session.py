"""The server's side of one AMQP 0-9-1 connection: its requests, and the parts that handle them.

Bytes become events in ``FrameParser``; here they become requests to a channel or, on channel 0, to the connection. What
is said is collected in the output until the server takes it at the end of its turn.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from batonmq.errors import BrokerError, StoreError
from batonmq.protocols.amqp091.channels import Channels
from batonmq.protocols.amqp091.connection import Connection
from batonmq.protocols.amqp091.constants import ACK, CONTENT, ERROR, METHOD, PUBLISH
from batonmq.protocols.amqp091.failures import ProtocolFailure, as_failure
from batonmq.protocols.amqp091.parser import Event, FrameParser
from batonmq.protocols.amqp091.settings import AmqpSettings
from batonmq.protocols.amqp091.states import CLOSED, CLOSING, OPEN, OPENING
from batonmq.protocols.sessions.link import Link
from batonmq.protocols.sessions.session import Session

if TYPE_CHECKING:
    from batonmq.broker import Broker
    from batonmq.protocols.amqp091 import methods
    from batonmq.protocols.sessions.failures import ClientFailure
    from batonmq.protocols.sessions.host import Host
    from batonmq.protocols.sessions.intake import Intake

__all__ = ["AmqpRequests", "amqp_session"]


def amqp_session(broker: Broker, host: Host, settings: AmqpSettings | None = None) -> Session[Event]:
    """The server's side of a connection that has just been made."""
    settings = settings or AmqpSettings()
    link: Link[Event] = Link(broker, host)
    parser = FrameParser(max_body=settings.max_message_size)
    channels = Channels(link.broker.clients.churn)
    connection = Connection(link, settings, parser, channels)
    return Session(link, AmqpRequests(link.intake, parser, connection, channels), connection, channels)


class AmqpRequests:
    """The requests of one client; ``states`` defines what is expected when."""

    __slots__ = ("_channels", "_connection", "_intake", "_parser")

    def __init__(self, intake: Intake[Event], parser: FrameParser, connection: Connection, channels: Channels) -> None:
        self._intake = intake
        self._parser = parser
        self._connection = connection
        self._channels = channels

    def parse(self, data: bytes) -> list[Event]:
        """The events completed by bytes from the client, which come in any pieces."""
        connection = self._connection
        if connection.state == OPENING:
            data = connection.receive_header(data)
        return self._parser.feed(data) if data and connection.state != CLOSED else []

    def take(self, events: list[Event], at: int) -> int:
        """Handle an event, or a run of them; returns the index of the next. Raises the errors of ``Requests``."""
        event = events[at]
        if event[0] == PUBLISH:
            channel = self._channels.find(event[1])
            if channel is None:
                self._unexpected()
            elif channel.is_open:
                return channel.publisher.take(events, at)
            return at + 1
        self._intake.published(None)
        if event[0] == ACK:
            channel = self._channels.find(event[1])
            if channel is None:
                self._unexpected()
            elif channel.is_open:
                return channel.settling.take(events, at)
        elif event[0] == METHOD:
            self._receive_method(event[1], event[2])
        elif event[0] == ERROR:
            # A fault that the parser found.
            _, number, code, text, class_id, method_id, hard = event
            self._fail(number, ProtocolFailure(code, text), class_id, method_id, is_hard=hard)
        elif event[0] == CONTENT:
            raise ProtocolFailure(503, f"{event[2].NAME} is not a client's to send")
        # A heartbeat needs no further handling.
        return at + 1

    def is_quick(self, event: Event) -> bool:
        """Does it usually take only microseconds?"""
        return event[0] != METHOD

    def refuse(self, event: Event, error: ClientFailure | BrokerError | StoreError) -> None:
        """Close the channel, or the connection, for an error in a request."""
        if isinstance(error, ProtocolFailure):
            failure = error
        elif isinstance(error, StoreError):
            failure = ProtocolFailure(506, error.reason)
        else:
            assert isinstance(error, BrokerError)
            failure = as_failure(error)
        class_id, method_id = _indices(event)
        self._fail(event[1], failure, class_id, method_id, is_hard=failure.is_hard)

    def broken(self, event: Event) -> None:
        """Close the connection after a fault of the broker's own."""
        self._connection.close(541, "a fault of the broker's own; see its log")

    def _fail(self, number: int, failure: ProtocolFailure, class_id: int, method_id: int, *, is_hard: bool) -> None:
        channel = self._channels.find(number)
        if is_hard or channel is None:
            self._connection.close(failure.code, failure.detail, class_id, method_id)
        else:
            channel.fail(failure, class_id, method_id)

    def _unexpected(self) -> None:
        """A publish or an acknowledgement on a channel that is not open."""
        if self._connection.state == OPEN:
            raise ProtocolFailure(504, "expected 'channel.open'")
        if self._connection.state == OPENING:
            raise ProtocolFailure(503, "unexpected method before connection.open")

    def _receive_method(self, number: int, method: methods.Method) -> None:
        connection = self._connection
        if number == 0 or connection.state >= CLOSING:
            # After our close only its answer counts, or a close that crossed ours (§1.4.2.9).
            connection.receive(method)
        elif connection.opened is None:
            raise ProtocolFailure(503, "unexpected method before connection.open")
        else:
            self._channels.handle(number, method, connection.opened)


def _indices(event: Event) -> tuple[int, int]:
    """The class and the method that an event came from."""
    if event[0] == PUBLISH:
        return 60, 40
    if event[0] == ACK:
        return 60, 80
    if event[0] in (METHOD, CONTENT):
        index = event[2].INDEX
        return index >> 16, index & 0xFFFF
    return 0, 0
