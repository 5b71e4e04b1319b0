"""How a connection is opened: header, start, tune, open (AMQP 0-9-1 §1.4, §2.2.4)."""

from __future__ import annotations

import platform
from dataclasses import dataclass
from typing import TYPE_CHECKING

from batonmq.errors import NotAllowed
from batonmq.field_decoding import decode_table
from batonmq.fields import FieldError
from batonmq.protocols.amqp091 import methods
from batonmq.protocols.amqp091.constants import FRAME_MIN
from batonmq.protocols.amqp091.encoder import method_frame
from batonmq.protocols.amqp091.failures import ProtocolFailure
from batonmq.protocols.amqp091.parser import parse_header
from batonmq.protocols.amqp091.states import (
    AUTHENTICATING,
    AWAIT_HEADER,
    AWAIT_OPEN,
    AWAIT_START_OK,
    AWAIT_TUNE_OK,
    EXPECTED,
)
from batonmq.protocols.amqp091.terms import Client, Terms, client_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from batonmq.broker import User
    from batonmq.broker.vhosts.vhost import VirtualHost
    from batonmq.fields import FieldValue
    from batonmq.protocols.amqp091.settings import AmqpSettings
    from batonmq.protocols.sessions.output import Output

PROTOCOL_HEADER = b"AMQP\x00\x00\x09\x01"

MECHANISMS = ("PLAIN", "AMQPLAIN")

# The user is named by the client's certificate (RFC 4422, appendix A).
EXTERNAL = "EXTERNAL"

# Capabilities beyond the specification; clients check for these before they use them.
CAPABILITIES: dict[str, FieldValue] = {
    "publisher_confirms": True,
    "exchange_exchange_bindings": True,
    "basic.nack": True,
    "consumer_cancel_notify": True,
    "connection.blocked": True,
    "consumer_priorities": True,
    "authentication_failure_close": True,
    "per_consumer_qos": True,
    "direct_reply_to": True,
}


class WrongHeader(Exception):
    """The client speaks another protocol, or another version; the text says so for the log."""


@dataclass(frozen=True, slots=True)
class LogIn:
    """The log-in in connection.start-ok."""

    user: str
    password: str
    mechanism: str
    client: Client

    @property
    def is_by_certificate(self) -> bool:
        """Does the client log in by certificate? Then there is no password."""
        return self.mechanism == EXTERNAL

    def refusal(self) -> str:
        """RabbitMQ's text for a wrong user or password; clients show it."""
        return f"Login was refused using authentication mechanism {self.mechanism}. For details see the broker logfile."


class Handshake:
    """The methods that open a connection, and their result: user, terms, virtual host."""

    __slots__ = ("_certificate_name", "_first_bytes", "_output", "_settings", "log_in", "state", "terms", "user")

    def __init__(self, settings: AmqpSettings, output: Output, certificate_name: str = "") -> None:
        """``certificate_name``: the user named by the client's certificate; empty: none."""
        self._settings = settings
        self._certificate_name = certificate_name
        self._output = output
        self._first_bytes = b""
        self.state = AWAIT_HEADER
        self.log_in: LogIn | None = None
        """The log-in; known when `state` is AUTHENTICATING."""
        self.user: User | None = None
        """The user; known when `state` is AWAIT_TUNE_OK."""
        self.terms = Terms(settings.channel_max, settings.frame_max, 0)
        """The negotiated terms; known when `state` is AWAIT_OPEN."""

    def receive_header(self, data: bytes) -> bytes:
        """Take in the protocol header; returns the bytes after it. Raises WrongHeader, which is answered (§4.2.2)."""
        first = self._first_bytes = self._first_bytes + data
        outcome, used = parse_header(first)
        if outcome == "more":
            return b""
        self._first_bytes = b""
        if outcome == "wrong":
            self._output.send(PROTOCOL_HEADER)
            raise WrongHeader(f"its first bytes, {first[:8]!r}, are no header of AMQP 0-9-1")
        self.state = AWAIT_START_OK
        self._say(_start(self._settings, self._mechanisms))
        return first[used:]

    @property
    def _mechanisms(self) -> tuple[str, ...]:
        return (*MECHANISMS, EXTERNAL) if self._certificate_name else MECHANISMS

    def expects(self, method: methods.Method) -> bool:
        """Is this method expected now?"""
        return type(method) is EXPECTED.get(self.state)

    def start_ok(self, method: methods.ConnectionStartOk) -> LogIn:
        """Returns the log-in: check its password, and call `authenticated`.

        Raises ProtocolFailure for a mechanism that is not offered, or a response without a user.
        """
        if method.mechanism not in self._mechanisms:
            raise ProtocolFailure(503, f"unknown authentication mechanism '{method.mechanism}'")
        if method.mechanism == EXTERNAL:
            # The authorization identity is ignored, as in RabbitMQ: clients act only for themselves.
            user, password = self._certificate_name, ""
        else:
            user, password = _credentials(method.mechanism, method.response)
        self.log_in = LogIn(user, password, method.mechanism, client_of(method.client_properties))
        self.state = AUTHENTICATING
        return self.log_in

    def authenticated(self, user: User) -> None:
        """The password is right: propose the terms."""
        self.user = user
        self.state = AWAIT_TUNE_OK
        self._say(
            methods.ConnectionTune(
                channel_max=self._settings.channel_max,
                frame_max=self._settings.frame_max,
                heartbeat=self._settings.heartbeat,
            )
        )

    def change_user(self, user: User) -> None:
        """Set the user's new rights."""
        self.user = user

    def tune_ok(self, method: methods.ConnectionTuneOk) -> Terms:
        """The terms as the client chose them. Raises NotAllowed for more than was proposed, or too little."""
        self.terms = Terms(
            frame_max=_negotiated("frame_max", method.frame_max, self._settings.frame_max, FRAME_MIN),
            channel_max=_negotiated("channel_max", method.channel_max, self._settings.channel_max, 1),
            # The client chooses the heartbeat (§1.4.2.6).
            heartbeat=method.heartbeat,
        )
        self.state = AWAIT_OPEN
        return self.terms

    def open(self, method: methods.ConnectionOpen, vhosts: Mapping[str, VirtualHost]) -> tuple[User, VirtualHost]:
        """The user and the virtual host. Raises NotAllowed."""
        assert self.user is not None
        name = method.virtual_host
        vhost = vhosts.get(name)
        if vhost is None:
            raise NotAllowed(f"vhost {name} not found")
        if not self.user.may_open(name):
            raise NotAllowed(f"access to vhost '{name}' refused for user '{self.user.name}'")
        return self.user, vhost

    def _say(self, method: methods.Method) -> None:
        self._output.send(method_frame(0, method))


def _start(settings: AmqpSettings, mechanisms: tuple[str, ...]) -> methods.ConnectionStart:
    properties: dict[str, FieldValue] = {
        "capabilities": dict(CAPABILITIES),
        "cluster_name": settings.product,
        "copyright": "Apache License 2.0",
        "information": "https://github.com/batonmq/batonmq",
        "platform": f"Python {platform.python_version()}",
        "product": settings.product,
        "version": settings.version,
    }
    return methods.ConnectionStart(
        version_major=0,
        version_minor=9,
        server_properties=properties,
        mechanisms=" ".join(mechanisms).encode(),
        locales=b"en_US",
    )


def _credentials(mechanism: str, response: bytes) -> tuple[str, str]:
    """User and password. PLAIN: RFC 4616; AMQPLAIN: a field table without its length. Raises ProtocolFailure."""
    try:
        if mechanism == "PLAIN":
            _, user, password = response.split(b"\0")
            return user.decode(), password.decode()
        table = decode_table(len(response).to_bytes(4, "big") + response, 0, len(response) + 4)[0]
        login, secret = table["LOGIN"], table["PASSWORD"]
        if isinstance(login, str) and isinstance(secret, str):
            return login, secret
    except (ValueError, FieldError, KeyError):
        pass
    raise ProtocolFailure(501, f"the response to mechanism {mechanism} cannot be read")


def _negotiated(what: str, asked: int, offered: int, least: int) -> int:
    """The negotiated value: not above the server's, where 0 means no limit (§1.4.2.6)."""
    if offered and (asked == 0 or asked > offered):
        unlimited = " (no limit)" if asked == 0 and what == "channel_max" else ""
        raise NotAllowed(f"negotiated {what} = {asked}{unlimited} is higher than the maximum allowed value ({offered})")
    if asked and asked < least:
        raise NotAllowed(f"negotiated {what} = {asked} is lower than the minimum allowed value ({least})")
    return asked
