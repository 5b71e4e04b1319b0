"""The scheme ``batonmq``: queues in a file, or in the broker on a host."""

from __future__ import annotations

from typing import Any

from kombu.transport import base

from batonmq.contrib.kombu.broker import BrokerTransport
from batonmq.contrib.kombu.errors import CHANNEL_ERRORS, CONNECTION_ERRORS, RECOVERABLE
from batonmq.contrib.kombu.file import FileTransport
from batonmq.contrib.kombu.places import Client, names_host

__all__ = ["Transport"]


class Transport(base.Transport):
    """Creates the transport that the URL asks for: ``batonmq:///path``, or ``batonmq://host:port/vhost``."""

    # kombu asks the class, too.
    connection_errors = CONNECTION_ERRORS
    channel_errors = CHANNEL_ERRORS
    recoverable_connection_errors = RECOVERABLE
    recoverable_channel_errors = BrokerTransport.recoverable_channel_errors

    def __new__(cls, client: Client, **kwargs: Any) -> base.Transport:
        """Create the transport for the URL of the client, which is kombu's Connection."""
        return BrokerTransport(client, **kwargs) if names_host(client) else FileTransport(client, **kwargs)
