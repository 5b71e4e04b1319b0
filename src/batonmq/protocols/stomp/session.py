"""The session of one STOMP connection: bytes become frames, and frames go to their handlers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from batonmq.errors import BrokerError, StoreError
from batonmq.protocols.sessions.link import Link
from batonmq.protocols.sessions.session import Session
from batonmq.protocols.stomp.connection import Connection
from batonmq.protocols.stomp.failures import StompFailure, as_failure
from batonmq.protocols.stomp.parser import ERROR, Event, FrameParser
from batonmq.protocols.stomp.settings import StompSettings

if TYPE_CHECKING:
    from batonmq.broker import Broker
    from batonmq.protocols.sessions.failures import ClientFailure
    from batonmq.protocols.sessions.host import Host

__all__ = ["StompRequests", "stomp_session"]

QUICK_FRAMES: Final = frozenset({"SEND", "ACK", "NACK"})


def stomp_session(broker: Broker, host: Host, settings: StompSettings | None = None) -> Session[Event]:
    """The server's side of a connection that has just been made."""
    settings = settings or StompSettings()
    link: Link[Event] = Link(broker, host)
    parser = FrameParser(max_headers=settings.max_headers, max_head=settings.max_head, max_body=settings.max_body)
    connection = Connection(link, settings, parser)
    return Session(link, StompRequests(parser, connection), connection, StompTraffic(connection))


class StompRequests:
    """The requests of one client."""

    __slots__ = ("_connection", "_parser")

    def __init__(self, parser: FrameParser, connection: Connection) -> None:
        self._parser = parser
        self._connection = connection

    def parse(self, data: bytes) -> list[Event]:
        """The events completed by bytes from the client, which come in any pieces."""
        return self._parser.feed(data) if self._connection.may_send(len(data)) else []

    def take(self, events: list[Event], at: int) -> int:
        """Handle a frame, or a run of SENDs or ACKs; returns the index of the next.

        Raises StompFailure, BrokerError, StoreError: then the frame was refused, and nothing was done.
        """
        head, receipt, body = events[at]
        commands = self._connection.commands
        if head.command == "SEND" and commands is not None:
            return commands.sending.take(events, at)
        if head.command == "ACK" and commands is not None and receipt is None and "transaction" not in head.headers:
            return commands.accept(events, at)
        if head.command == ERROR:
            # An error of the parser.
            raise StompFailure("Bad frame", body.decode(), fatal=True)
        if commands is None:
            self._connection.connect(head)
        elif head.command == "DISCONNECT":
            self._connection.disconnect(receipt)
        else:
            commands.handle(head, receipt)
        return at + 1

    def is_quick(self, event: Event) -> bool:
        """Does it usually take only microseconds?"""
        return event[0].command in QUICK_FRAMES

    def refuse(self, event: Event, error: ClientFailure | BrokerError | StoreError) -> None:
        """Answer an error in a frame with an ERROR."""
        if isinstance(error, StompFailure):
            failure = error
        elif isinstance(error, StoreError):
            failure = StompFailure("Store failure", error.reason, fatal=True)
        else:
            assert isinstance(error, BrokerError)
            failure = as_failure(error)
        self._connection.fail(failure, event[1])

    def broken(self, event: Event) -> None:
        """Close the connection after a fault of the broker's own."""
        detail = "a fault of the broker's own; see its log"
        self._connection.fail(StompFailure("Internal error", detail, fatal=True), event[1])


class StompTraffic:
    """The subscriptions and receipts of one connection, which exist after its log-in."""

    __slots__ = ("_connection",)

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def offer(self) -> None:
        """There is room for deliveries again."""
        if self._connection.commands is not None:
            self._connection.commands.subscriptions.offer()

    def withdraw(self) -> None:
        """There is no room for deliveries: the client does not read."""
        if self._connection.commands is not None:
            self._connection.commands.subscriptions.withdraw()

    def batch_committed(self, batch: int) -> None:
        """All batches up to this number are durable."""
        commands = self._connection.commands
        if commands is not None:
            commands.receipts.batch_committed(batch)

    def batch_failed(self, batch: int, error: StoreError) -> None:
        """The batches up to this number that were not committed before are not kept."""
        commands = self._connection.commands
        if commands is not None:
            lost = commands.receipts.batch_failed(batch, error)
            if lost is not None:
                self._connection.fail(*lost)
