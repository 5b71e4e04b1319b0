"""A client without a socket: methods into a session on a driven broker, and those that come out of it."""

from __future__ import annotations

from pamqp import commands as spec, frame
from pamqp.base import Frame as Method
from pamqp.header import ContentHeader
from proof.by_hand import Host

from batonmq.broker import User
from batonmq.protocols.amqp091.session import amqp_session
from batonmq.protocols.amqp091.settings import AmqpSettings
from batonmq.protocols.sessions.standing import FINISHED
from tests.support.codec import BODY, HEADER, METHOD, encode_frame, encode_header, encode_method
from tests.support.driven import EVERYTHING, Driven
from tests.support.wire import PROTOCOL_HEADER

PERSISTENT = spec.Basic.Properties(delivery_mode=2)


class Client:
    """One connection. What it is sent is told by whatever made it come."""

    def __init__(self, driven: Driven, user: User = EVERYTHING) -> None:
        self.driven = driven
        self.host = Host({"guest": ("guest", user)})
        self.session = amqp_session(driven.broker, self.host, AmqpSettings())

    def log_in(self, vhost: str = "/") -> list[Method]:
        """Up to connection.open; what came of that."""
        self.session.receive(PROTOCOL_HEADER)
        self.read()
        self._put(0, spec.Connection.StartOk(mechanism="PLAIN", response="\0guest\0guest"))
        self.read()
        self._put(0, spec.Connection.TuneOk(10, 131_072, 0))
        return self.say(spec.Connection.Open(vhost), channel=0)

    def start(self, vhost: str = "/") -> Client:
        """Log in, and open channel 1."""
        (answer,) = self.log_in(vhost)
        assert isinstance(answer, spec.Connection.OpenOk)
        self.say(spec.Channel.Open())
        return self

    def say(self, *asked: Method, channel: int = 1) -> list[Method]:
        """Methods in one piece, and all that comes until the broker is at rest. A publish gets a small message."""
        for method in asked:
            self._put(channel, method)
            if isinstance(method, spec.Basic.Publish):
                self.session.receive(encode_frame(HEADER, channel, encode_header(PERSISTENT, 1)))
                self.session.receive(encode_frame(BODY, channel, b"m"))
        return self.read()

    def read(self) -> list[Method]:
        """All methods that come until the broker is at rest."""
        data = b""
        for _ in range(100):
            self.driven.settle()
            self.session.turn_ended()
            if not self.session.output:
                break
            data += b"".join(self.session.output)
            self.session.output.clear()
        found: list[Method] = []
        while data:
            length, _, each = frame.unmarshal(data)
            data = data[length:]
            if isinstance(each, Method) and not isinstance(each, ContentHeader):
                found.append(each)
        return found

    def has_ended(self) -> bool:
        """Is the socket to be closed?"""
        return bool(self.session.standing() & FINISHED)

    def lose(self) -> None:
        """The socket is gone."""
        self.session.connection_lost()
        self.driven.settle()

    def _put(self, channel: int, method: Method) -> None:
        self.session.receive(encode_frame(METHOD, channel, encode_method(method)))


def refusal(came: list[Method]) -> int:
    """The reply code with which the channel or the connection was closed; 0: it was not."""
    codes = [each.reply_code for each in came if isinstance(each, spec.Channel.Close | spec.Connection.Close)]
    return (codes[0] if codes else None) or 0
