"""The transport for BatonMQ's broker: py-amqp's, with the broker's extensions to AMQP."""

from __future__ import annotations

import ssl
from typing import Any

import amqp
from kombu.transport import pyamqp

from batonmq.contrib.kombu.messages import DELAY, delay_of, without_delay

__all__ = ["BrokerTransport", "TlsTransport"]


class Message(pyamqp.Message):
    """A delivered message whose delay is over."""

    def __init__(self, msg: amqp.Message, channel: Any = None, **kwargs: Any) -> None:
        super().__init__(msg, channel, **kwargs)
        without_delay(self.headers)


class Channel(pyamqp.Channel):
    """A task with an ``eta`` waits for it in the queue, not in a worker."""

    Message = Message

    def prepare_message(
        self,
        body: str | bytes,
        priority: int | None = None,
        content_type: str | None = None,
        content_encoding: str | None = None,
        headers: dict[str, Any] | None = None,
        properties: dict[str, Any] | None = None,
        _Message: type[amqp.Message] = amqp.Message,  # noqa: N803
    ) -> amqp.Message:
        """The message for ``basic_publish``."""
        delay = delay_of(headers or {})
        if delay:
            headers = {**(headers or {}), DELAY: round(delay * 1000)}
        return super().prepare_message(body, priority, content_type, content_encoding, headers, properties, _Message)


class Connection(pyamqp.Connection):
    """Publishing waits until the broker has confirmed it, unless the transport option ``confirm_publish`` is False."""

    Channel = Channel

    def __init__(self, *args: Any, confirm_publish: bool = True, **options: Any) -> None:
        super().__init__(*args, confirm_publish=confirm_publish, **options)


class BrokerTransport(pyamqp.Transport):
    """Connects to the broker on a host."""

    Connection = Connection


class TlsTransport(BrokerTransport, pyamqp.SSLTransport):
    """Connects to it over TLS, and asks for a certificate of the host's name.

    py-amqp verifies who has signed a certificate, and the name only if it is given one (RFC 2818, section 3.1).
    """

    def establish_connection(self) -> Connection:
        """Connect.

        ``broker_use_ssl`` may name another ``server_hostname``, bring a ``context``, or turn verification off.
        """
        client, options = self.client, self.client.ssl
        connection: Connection
        said: dict[str, Any] = options if isinstance(options, dict) else {}
        if said.get("server_hostname") or "context" in said or said.get("cert_reqs") == ssl.CERT_NONE:
            connection = super().establish_connection()
            return connection
        # For this host only: the next may be another host of the URL.
        client.ssl = {**said, "server_hostname": client.hostname or "localhost"}
        try:
            connection = super().establish_connection()
        finally:
            client.ssl = options
        return connection
