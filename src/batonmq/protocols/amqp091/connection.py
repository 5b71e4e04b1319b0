"""The connection itself, which is channel 0: how it is opened, kept alive and closed (AMQP 0-9-1 §1.4)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batonmq.broker import ManagedOperations
from batonmq.broker.model.access import BUSY, TOO_MANY_LOG_INS
from batonmq.broker.model.admission import require_connection
from batonmq.protocols.amqp091 import methods
from batonmq.protocols.amqp091.attention import Attention, introduce
from batonmq.protocols.amqp091.blocking import Blocking
from batonmq.protocols.amqp091.constants import CONNECTION, CONNECTION_FORCED
from batonmq.protocols.amqp091.encoder import HEARTBEAT_FRAME, method_frame
from batonmq.protocols.amqp091.failures import ProtocolFailure, reply_text
from batonmq.protocols.amqp091.handshake import Handshake, WrongHeader
from batonmq.protocols.amqp091.open_connection import OpenConnection
from batonmq.protocols.amqp091.states import AUTHENTICATING, AWAIT_HEADER, AWAIT_OPEN, CLOSING, OPEN, OPENING
from batonmq.protocols.sessions.closing import ClosingConnection

if TYPE_CHECKING:
    from collections.abc import Callable

    from batonmq.broker import User
    from batonmq.broker.model.access import LogInAnswer
    from batonmq.broker.vhosts.vhost import VirtualHost
    from batonmq.protocols.amqp091.channels import Channels
    from batonmq.protocols.amqp091.parser import Event, FrameParser
    from batonmq.protocols.amqp091.settings import AmqpSettings
    from batonmq.protocols.sessions.link import Link


class Connection(ClosingConnection):
    """The connection; ``states`` has its states, and the method expected in each."""

    __slots__ = (
        "_blocking",
        "_channels",
        "_handshake",
        "_parser",
        "_settings",
        "opened",
    )

    def __init__(self, link: Link[Event], settings: AmqpSettings, parser: FrameParser, channels: Channels) -> None:
        super().__init__(link, OPENING, HEARTBEAT_FRAME, settings.handshake_timeout)
        self._settings = settings
        self._parser = parser
        self._channels = channels
        self._handshake = Handshake(settings, link.output, link.host.certificate_name)
        # Tells the client when the store takes no messages (connection.blocked).
        self._blocking: Blocking | None = None
        self.opened: OpenConnection | None = None
        """The open connection; None before connection.open."""

    # ------------------------------------------------------------------ opening

    def receive_header(self, data: bytes) -> bytes:
        """Take in bytes from the client; returns those after the protocol header. A wrong one ends the connection."""
        if self._handshake.state == AWAIT_HEADER:
            try:
                return self._handshake.receive_header(data)
            except WrongHeader as wrong:
                self._link.log.closed(str(wrong))
                self.finish()
        return data

    def receive(self, method: methods.Method) -> None:
        """A method on channel 0. Raises ProtocolFailure, NotAllowed."""
        if isinstance(method, methods.ConnectionClose):
            self._say(methods.ConnectionCloseOk())
            if self.state < CLOSING:
                self._link.log.left(f"{method.reply_code} {method.reply_text}")
                # The client closes the socket, as it does with RabbitMQ.
                self.finish(is_left=True)
        elif self.state >= CLOSING:
            if isinstance(method, methods.ConnectionCloseOk):
                self.finish()
        elif self.state == OPENING:
            self._go_on_opening(method)
        elif isinstance(method, methods.ConnectionUpdateSecret):
            # Passwords do not expire, so there is nothing to renew; clients that try get their answer.
            self._say(methods.ConnectionUpdateSecretOk())
        elif method.INDEX >> 16 != CONNECTION:
            raise ProtocolFailure(504, "unexpected method in connection state running")
        else:
            raise _out_of_turn(method)

    def _go_on_opening(self, method: methods.Method) -> None:
        handshake = self._handshake
        if not handshake.expects(method):
            if handshake.state < AWAIT_OPEN:
                # A client that sends a wrong method before its log-in gets no answer.
                self._link.log.closed(f"{type(method).__name__} out of turn")
                self.finish()
                return
            raise _out_of_turn(method)
        if isinstance(method, methods.ConnectionStartOk):
            log_in = handshake.start_ok(method)
            self._link.intake.suspend()
            host = self._link.host
            if log_in.is_by_certificate:
                host.log_in_by_certificate(self._authenticated)
            else:
                host.authenticate(log_in.user, log_in.password, self._authenticated)
        elif isinstance(method, methods.ConnectionTuneOk):
            terms = handshake.tune_ok(method)
            beat = terms.heartbeat / 2
            self._link.heartbeats.agree(silence_max=2 * terms.heartbeat, interval=beat, late=beat / 2)
            self._parser.tune(terms.frame_max)
        elif isinstance(method, methods.ConnectionOpen):
            self._open(*handshake.open(method, self._link.broker.vhosts))

    def _authenticated(self, answer: LogInAnswer) -> None:
        """The password has been checked."""
        if self.state != OPENING or self._handshake.state != AUTHENTICATING:
            return
        self._link.intake.resume()
        if answer is BUSY:
            # The answer does not mention the password, which was not checked.
            self.close(320, TOO_MANY_LOG_INS)
        elif answer is None:
            self._refuse_log_in()
        else:
            self._handshake.authenticated(answer)
        self._link.intake.go_on()

    def _refuse_log_in(self) -> None:
        log_in = self._handshake.log_in
        if log_in is not None and log_in.client.wants_close_on_refusal:
            detail = log_in.refusal()
            self._link.log.closed(detail)
            self._start_closing(403, reply_text(403, detail))
        else:
            self._link.log.closed("the log-in was refused")
            self.finish()

    def _open(self, user: User, vhost: VirtualHost) -> None:
        link = self._link
        require_connection(link.broker.clients, user, vhost.name, vhost.limits)
        handshake = self._handshake
        assert handshake.log_in is not None
        client = handshake.log_in.client
        operations = ManagedOperations(vhost, user, link, deliveries=self._channels, barrier=link.barrier)
        self.opened = OpenConnection(link, client, handshake.terms, operations, self._settings)
        self.state = OPEN
        introduction = introduce(handshake.log_in, handshake.terms)
        link.logged_in(user.name, vhost.name, introduction, Attention(self, self._channels))
        self._say(methods.ConnectionOpenOk())
        if client.wants_blocked:
            self._blocking = Blocking(link.output)
            link.broker.observe_store(self._blocking)
            if link.broker.store.error is not None:
                self._blocking.store_failing(link.broker.store.error)

    # ------------------------------------------------------------------ while it is there

    def fell_silent(self) -> None:
        """Two heartbeats were missed (§4.2.7); the client is taken for dead, and told nothing."""
        self._link.log.closed(f"missed heartbeats, timeout: {self._handshake.terms.heartbeat}s")
        self.finish()

    def users_changed(self, find: Callable[[str], User | None]) -> None:
        """The user's rights have changed: consumers stay, and what is no longer permitted is refused."""
        known = self._handshake.user
        if known is None or self.state >= CLOSING:
            return
        user = find(known.name)
        if user is None:
            self.close(320, f"user '{known.name}' is deleted")
            return
        self._handshake.change_user(user)
        if self.opened is not None:
            self.opened.operations.change_user(user)

    # ------------------------------------------------------------------ the end

    def shutdown(self, reason: str) -> None:
        """The broker stops."""
        if self.state == OPENING:
            self.finish()
        else:
            self.close(CONNECTION_FORCED, reason)

    def close(self, code: int, detail: str, class_id: int = 0, method_id: int = 0) -> None:
        """connection.close from our side (§1.4.2.9), because of that method; everything held goes back."""
        if self.state >= CLOSING:
            return
        for channel in self._channels:
            channel.send_confirms()
        self.release()
        text = reply_text(code, detail)
        if code == 320:
            self._link.log.ended(text)
        else:
            self._link.log.closed(text)
        self._start_closing(code, text, class_id, method_id)
        if self._handshake.user is None or self._parser.dead:
            # The client cannot be expected to answer.
            self.finish()

    def _start_closing(self, code: int, text: str, class_id: int = 0, method_id: int = 0) -> None:
        self.start_closing()
        self._say(methods.ConnectionClose(reply_code=code, reply_text=text, class_id=class_id, method_id=method_id))

    def release(self) -> None:
        """Give back everything that the connection holds."""
        if self._blocking is not None:
            self._link.broker.stop_observing(self._blocking)
        self._channels.release()
        self._link.turn_end.clear()
        if self.opened is not None:
            self.opened.operations.release_owned()

    def _say(self, method: methods.Method) -> None:
        self._link.output.send(method_frame(0, method))


def _out_of_turn(method: methods.Method) -> ProtocolFailure:
    return ProtocolFailure(503, f"unexpected method in this state: {type(method).__name__}")
