"""The transport for queues in a file."""

from __future__ import annotations

from typing import Any

from kombu.transport import base

from batonmq.contrib.kombu.channel import Channel
from batonmq.contrib.kombu.connection import FileConnection
from batonmq.contrib.kombu.errors import CHANNEL_ERRORS, CONNECTION_ERRORS, RECOVERABLE
from batonmq.contrib.kombu.places import file_of, uri_of
from batonmq.version import __version__

__all__ = ["FileTransport"]


class FileTransport(base.Transport):
    """Any number of processes share the file; there is no server."""

    # Makes kombu call ``as_uri``: on its own it shows a host even for a URL without one.
    can_parse_url = True

    connection_errors = CONNECTION_ERRORS
    channel_errors = CHANNEL_ERRORS
    recoverable_connection_errors = RECOVERABLE
    recoverable_channel_errors = ()

    # It works as AMQP does, exchanges included: Celery's workers then tell each other of revoked tasks.
    driver_type = "amqp"
    driver_name = "batonmq"

    implements = base.Transport.implements.extend(
        asynchronous=True,
        heartbeats=False,
        exchange_type=frozenset({"direct", "topic", "fanout", "headers"}),
    )

    def driver_version(self) -> str:
        """BatonMQ's version."""
        return __version__

    def establish_connection(self) -> FileConnection:
        """Open the file, or reach the process that has it. Raises ValueError for a URL without one, StoreError."""
        return FileConnection(file_of(self.client), self.client)

    def close_connection(self, connection: FileConnection) -> None:
        """Close it, and give back unsettled messages."""
        connection.close()

    def verify_connection(self, connection: FileConnection) -> bool:
        """Is the connection open?"""
        return connection.connected

    def create_channel(self, connection: FileConnection) -> Channel:
        """A new channel."""
        return connection.channel()

    def close_channel(self, channel: Channel) -> None:
        """Close it, and give back unsettled messages."""
        channel.close()

    def drain_events(self, connection: FileConnection, timeout: float | None = None, **_: Any) -> None:
        """Wait for messages. Raises socket.timeout."""
        connection.drain_events(timeout)

    def register_with_event_loop(self, connection: FileConnection, loop: Any) -> None:
        """Have kombu's event loop deliver what comes."""
        loop.add_reader(connection.wake.fileno(), self.on_readable, connection, loop)

    def unregister_from_event_loop(self, connection: FileConnection, loop: Any) -> None:
        """Remove the connection from kombu's event loop."""
        loop.remove_reader(connection.wake.fileno())

    def on_readable(self, connection: FileConnection, loop: Any) -> None:
        """Deliver what has arrived."""
        connection.deliver()

    def qos_semantics_matches_spec(self, connection: FileConnection) -> bool:
        """Does a prefetch count apply to the whole channel?"""
        return True

    def as_uri(self, uri: str, include_password: bool = False, mask: str = "**") -> str:
        """The URL, as a user writes it."""
        return uri_of(self.client)

    @property
    def default_connection_params(self) -> dict[str, Any]:
        """The defaults of a URL: none, as only the path matters."""
        return {}
