"""How a connection is opened and closed: header, start, tune, open (AMQP 0-9-1 §1.4, §2.2.4)."""

from __future__ import annotations

import platform
from typing import TYPE_CHECKING

from batonmq.broker import Operations
from batonmq.broker.model.access import BUSY, TOO_MANY_LOG_INS
from batonmq.errors import NotAllowed
from batonmq.fields import FieldError, decode_table
from batonmq.protocols.amqp091 import methods
from batonmq.protocols.amqp091.constants import CONNECTION, FRAME_MIN
from batonmq.protocols.amqp091.encoder import method_frame
from batonmq.protocols.amqp091.failures import ProtocolFailure, reply_text
from batonmq.protocols.amqp091.parser import parse_header
from batonmq.protocols.amqp091.states import (
    AUTHENTICATING,
    AWAIT_OPEN,
    AWAIT_START_OK,
    AWAIT_TUNE_OK,
    EXPECTED,
    OPEN,
)

if TYPE_CHECKING:
    from batonmq.broker.model.access import LogInAnswer
    from batonmq.fields import FieldValue
    from batonmq.protocols.amqp091.session import AmqpSession

PROTOCOL_HEADER = b"AMQP\x00\x00\x09\x01"

MECHANISMS = ("PLAIN", "AMQPLAIN")

# What both sides can do beyond the specification; clients look for these before they use them.
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


# Clients that count on basic.qos (global=false) to reach consumers that are there already, as §1.8.3.1 has it and
# RabbitMQ has not: kombu, on which Celery stands, raises the prefetch for each task that waits for its time, and asks
# for RabbitMQ's other way (global=true) only where the product is RabbitMQ 3. It comes over py-amqp.
COUNT_ON_LATER_PREFETCH = ("py-amqp",)


class Handshake:
    """What happens on a session's channel 0."""

    def __init__(self, session: AmqpSession) -> None:
        self.session = session
        self.first_bytes = b""
        self.mechanism = ""

    def receive_header(self, data: bytes) -> bytes:
        """The protocol header; returns what came after it. Another one is answered with ours (§4.2.2)."""
        self.first_bytes += data
        outcome, used = parse_header(self.first_bytes)
        if outcome == "more":
            return b""
        if outcome == "wrong":
            self.session.send(PROTOCOL_HEADER)
            self.session.journal.closed(f"its first bytes, {self.first_bytes[:8]!r}, are no header of AMQP 0-9-1")
            self.session.finish()
            return b""
        rest = self.first_bytes[used:]
        self.first_bytes = b""
        self.session.state = AWAIT_START_OK
        properties: dict[str, FieldValue] = {
            "capabilities": dict(CAPABILITIES),
            "cluster_name": self.session.settings.product,
            "copyright": "Apache License 2.0",
            "information": "https://github.com/batonmq/batonmq",
            "platform": f"Python {platform.python_version()}",
            "product": self.session.settings.product,
            "version": self.session.settings.version,
        }
        self.session.send(
            method_frame(
                0,
                methods.ConnectionStart(
                    version_major=0,
                    version_minor=9,
                    server_properties=properties,
                    mechanisms=" ".join(MECHANISMS).encode(),
                    locales=b"en_US",
                ),
            )
        )
        return rest

    def receive_connection_method(self, method: methods.Method) -> None:
        """A method of class connection. Raises ProtocolFailure, NotAllowed."""
        if isinstance(method, methods.ConnectionClose):
            self.session.send(method_frame(0, methods.ConnectionCloseOk()))
            self.session.journal.left(f"{method.reply_code} {method.reply_text}")
            self.session.release()
            self.session.finish()
            return
        if method.INDEX >> 16 != CONNECTION and self.session.state == OPEN:
            raise ProtocolFailure(504, "unexpected method in connection state running")
        if not isinstance(method, EXPECTED.get(self.session.state, ())):
            if self.session.state < AWAIT_OPEN:
                # Whoever speaks out of turn before the log-in is told nothing.
                self.session.journal.closed(f"{type(method).__name__} out of turn")
                self.session.finish()
                return
            raise ProtocolFailure(503, f"unexpected method in this state: {type(method).__name__}")
        if isinstance(method, methods.ConnectionStartOk):
            self._start_ok(method)
        elif isinstance(method, methods.ConnectionTuneOk):
            self._tune_ok(method)
        elif isinstance(method, methods.ConnectionOpen):
            self._open(method)
        elif isinstance(method, methods.ConnectionUpdateSecret):
            # Passwords do not run out, so that there is nothing to renew; clients that try are told yes.
            self.session.send(method_frame(0, methods.ConnectionUpdateSecretOk()))

    # ------------------------------------------------------------------ logging in

    def _start_ok(self, method: methods.ConnectionStartOk) -> None:
        self.session.client_properties = method.client_properties
        capabilities = method.client_properties.get("capabilities")
        if isinstance(capabilities, dict):
            self.session.wants_cancel_notify = capabilities.get("consumer_cancel_notify") is True
            self.session.wants_blocked = capabilities.get("connection.blocked") is True
            self.session.wants_close_on_refusal = capabilities.get("authentication_failure_close") is True
        self.session.counts_on_later_prefetch = method.client_properties.get("product") in COUNT_ON_LATER_PREFETCH
        if method.mechanism not in MECHANISMS:
            raise ProtocolFailure(503, f"unknown authentication mechanism '{method.mechanism}'")
        user, password = _credentials(method.mechanism, method.response)
        self.mechanism = method.mechanism
        self.session.state = AUTHENTICATING
        self.session.suspended = True
        self.session.host.authenticate(user, password, self._authenticated)

    def _authenticated(self, user: LogInAnswer) -> None:
        if self.session.state != AUTHENTICATING:
            return
        if user is BUSY:
            # No word of the password: it was not looked at.
            self.session.suspended = False
            self.session.close(320, TOO_MANY_LOG_INS)
            return
        if user is None:
            self._refuse_login()
            return
        self.session.user = user
        self.session.state = AWAIT_TUNE_OK
        self.session.send(
            method_frame(
                0,
                methods.ConnectionTune(
                    channel_max=self.session.settings.channel_max,
                    frame_max=self.session.settings.frame_max,
                    heartbeat=self.session.settings.heartbeat,
                ),
            )
        )
        self.session.suspended = False
        self.session.go_on()

    def _refuse_login(self) -> None:
        if self.session.wants_close_on_refusal:
            detail = (
                f"Login was refused using authentication mechanism {self.mechanism}."
                " For details see the broker logfile."
            )
            self.session.send(
                method_frame(
                    0,
                    methods.ConnectionClose(
                        reply_code=403, reply_text=reply_text(403, detail), class_id=0, method_id=0
                    ),
                )
            )
            self.session.journal.closed(detail)
            self.session.start_closing()
            self.session.suspended = False
            self.session.go_on()
        else:
            self.session.journal.closed("the log-in was refused")
            self.session.suspended = False
            self.session.finish()

    # ------------------------------------------------------------------ tuning and opening

    def _tune_ok(self, method: methods.ConnectionTuneOk) -> None:
        settings = self.session.settings
        self.session.frame_max = _negotiated("frame_max", method.frame_max, settings.frame_max, FRAME_MIN)
        self.session.channel_max = _negotiated("channel_max", method.channel_max, settings.channel_max, 1)
        # The heartbeat is the client's to choose (§1.4.2.6); 0: none.
        self.session.heartbeat = method.heartbeat
        self.session.set_frame_max(self.session.frame_max)
        self.session.state = AWAIT_OPEN

    def _open(self, method: methods.ConnectionOpen) -> None:
        name = method.virtual_host
        vhost = self.session.broker.vhosts.get(name)
        if vhost is None:
            raise NotAllowed(f"vhost {name} not found")
        if not self.session.user.may_open(name):
            raise NotAllowed(f"access to vhost '{name}' refused for user '{self.session.user.name}'")
        self.session.vhost = vhost
        self.session.operations = Operations(vhost, self.session.user, self.session)
        self.session.operations.deliveries = self.session
        self.session.operations.gate = self.session.gate
        self.session.state = OPEN
        self._tell_of_log_in(name)
        self.session.broker.observers[self.session] = None
        self.session.send(method_frame(0, methods.ConnectionOpenOk()))
        if self.session.broker.store.error is not None:
            self.session.store_failing(self.session.broker.store.error)

    def _tell_of_log_in(self, vhost: str) -> None:
        told = self.session.client_properties
        product, name = told.get("product"), told.get("connection_name")
        version = told.get("version", told.get("product_version"))
        client = " ".join(part for part in (product, version) if isinstance(part, str))
        self.session.journal.logged_in(
            self.session.user.name, vhost, "AMQP 0-9-1", client, name if isinstance(name, str) else ""
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
    """What client and server agree on: nothing above the server's, where 0 means no limit (§1.4.2.6)."""
    if offered and (asked == 0 or asked > offered):
        unlimited = " (no limit)" if asked == 0 and what == "channel_max" else ""
        raise NotAllowed(f"negotiated {what} = {asked}{unlimited} is higher than the maximum allowed value ({offered})")
    if asked and asked < least:
        raise NotAllowed(f"negotiated {what} = {asked} is lower than the minimum allowed value ({least})")
    return asked
