"""The connection itself: how it is opened, kept alive and closed (part 2 §2.4)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from batonmq.broker import ManagedOperations
from batonmq.broker.model.access import BUSY
from batonmq.broker.model.admission import require_connection
from batonmq.errors import NotAllowed
from batonmq.protocols.amqp10 import conditions
from batonmq.protocols.amqp10.attention import Attention, introduce
from batonmq.protocols.amqp10.codec.encoder import HEARTBEAT, frame
from batonmq.protocols.amqp10.codec.performatives import Close, Open
from batonmq.protocols.amqp10.failures import ConnectionFailure, Failure
from batonmq.protocols.amqp10.handshake import Handshake, OutOfTurn, WrongHeader
from batonmq.protocols.amqp10.links.open_connection import OpenConnection
from batonmq.protocols.amqp10.nodes.nodes import Nodes
from batonmq.protocols.amqp10.opening import agree, answer, vhost_name
from batonmq.protocols.amqp10.states import AUTHENTICATING, AWAIT_HEADER, AWAIT_OPEN, CLOSING, OPEN
from batonmq.protocols.sessions.closing import ClosingConnection

if TYPE_CHECKING:
    from collections.abc import Callable

    from batonmq.broker import User
    from batonmq.broker.model.access import LogInAnswer
    from batonmq.broker.vhosts.vhost import VirtualHost
    from batonmq.protocols.amqp10.codec.frames import Event, FrameParser
    from batonmq.protocols.amqp10.codec.performatives import SaslInit
    from batonmq.protocols.amqp10.containers import Containers, Identity
    from batonmq.protocols.amqp10.handshake import Credentials
    from batonmq.protocols.amqp10.sessions import Sessions
    from batonmq.protocols.amqp10.settings import Amqp10Settings
    from batonmq.protocols.amqp10.terms import Terms
    from batonmq.protocols.sessions.link import Link

# The capability of a connection that must be its container's only one.
SOLE: Final = "sole-connection-for-container"


class Connection(ClosingConnection):
    """The connection; ``states`` has its states."""

    __slots__ = (
        "_containers",
        "_handshake",
        "_identity",
        "_parser",
        "_said_open",
        "_sessions",
        "_settings",
        "_user",
        "opened",
    )

    def __init__(
        self,
        link: Link[Event],
        settings: Amqp10Settings,
        parser: FrameParser,
        sessions: Sessions,
        containers: Containers,
    ) -> None:
        super().__init__(link, AWAIT_HEADER, HEARTBEAT, settings.handshake_timeout)
        self._settings = settings
        self._parser = parser
        self._sessions = sessions
        self._containers = containers
        self._handshake = Handshake(settings, link.output, link.host.certificate_name)
        self._said_open = False
        self._user: User | None = None
        # Its claim to be its container's only open connection, if it has one.
        self._identity: Identity | None = None
        self.opened: OpenConnection | None = None
        """The open connection; None before open."""

    # ------------------------------------------------------------------ opening

    def receive_header(self, header: bytes) -> None:
        """A protocol header."""
        try:
            self._check(self._handshake.receive_header(header))
        except (WrongHeader, OutOfTurn) as wrong:
            self._wrong(str(wrong))

    def receive_init(self, init: SaslInit) -> None:
        """The client has chosen a SASL mechanism."""
        try:
            credentials = self._handshake.init(init)
        except OutOfTurn as wrong:
            self._wrong(str(wrong))
            return
        if credentials is None:
            self._end_before_log_in(f"the log-in by mechanism {init.mechanism!r} was refused")
        else:
            self._check(credentials)

    def out_of_turn(self, what: str) -> None:
        """The client sent a frame of the log-in, or of the time after it, at another time."""
        self._wrong(f"{what} out of turn")

    def _wrong(self, text: str) -> None:
        """End the connection for an unexpected frame, with an error if it is open."""
        if self.state < OPEN:
            self._end_before_log_in(text)
        else:
            self.fail(ConnectionFailure(conditions.ILLEGAL_STATE, text))

    def _check(self, credentials: Credentials | None) -> None:
        self.state = self._handshake.state
        if credentials is not None:
            self._link.intake.suspend()
            host = self._link.host
            if credentials.is_by_certificate:
                host.log_in_by_certificate(self._authenticated)
            else:
                host.authenticate(credentials.user, credentials.password, self._authenticated)

    def _authenticated(self, result: LogInAnswer) -> None:
        """The password has been checked."""
        if self.state != AUTHENTICATING:
            return
        self._link.intake.resume()
        if result is None or result is BUSY:
            self._handshake.refused(is_busy=result is BUSY)
            self._end_before_log_in("the log-in was refused")
        else:
            self._user = result
            self._handshake.authenticated()
            self.state = self._handshake.state
        self._link.intake.go_on()

    def _end_before_log_in(self, text: str) -> None:
        self._link.log.closed(text)
        self.finish()

    def open(self, wanted: Open) -> None:
        """The client's open. Raises ConnectionFailure."""
        if self.state != AWAIT_OPEN:
            raise ConnectionFailure(conditions.ILLEGAL_STATE, "open out of turn")
        user = self._user
        assert user is not None
        settings = self._settings
        terms = agree(wanted, settings)
        name = vhost_name(wanted, settings)
        vhost = self._link.broker.vhosts.get(name)
        if vhost is None:
            raise ConnectionFailure(conditions.NOT_FOUND, f"vhost {name} not found")
        if not user.may_open(name):
            raise ConnectionFailure(
                conditions.UNAUTHORIZED_ACCESS, f"access to vhost '{name}' refused for user '{user.name}'"
            )
        try:
            require_connection(self._link.broker.clients, user, name, vhost.limits)
        except NotAllowed as error:
            raise ConnectionFailure(conditions.RESOURCE_LIMIT_EXCEEDED, str(error)) from None
        identity = (name, user.name, terms.container_id)
        if SOLE in terms.desired:
            if not self._containers.claim(identity):
                text = f"a connection of container '{terms.container_id}' is open already"
                raise ConnectionFailure(conditions.INVALID_FIELD, text, {"invalid-field": "container-id"})
            self._identity = identity
        # The client gives up after its whole time-out.
        beat = terms.idle_time_out / 2
        self._link.heartbeats.agree(silence_max=settings.idle_time_out, interval=beat, late=beat / 2)
        self._parser.limit(settings.max_frame_size, settings.channel_max)
        self._open(wanted, terms, user, vhost, identity)
        self._say_open(answer(settings))

    def _open(self, wanted: Open, terms: Terms, user: User, vhost: VirtualHost, identity: Identity) -> None:
        link = self._link
        operations = ManagedOperations(vhost, user, link, deliveries=self._sessions, barrier=link.barrier)
        nodes = Nodes(terms, operations)
        self.opened = OpenConnection(link, terms, operations, nodes, self._containers, identity)
        self.state = OPEN
        introduction = introduce(wanted, terms, self._handshake.mechanism)
        link.logged_in(user.name, vhost.name, introduction, Attention(self, self._sessions))

    def _say_open(self, performative: Open) -> None:
        self._said_open = True
        self._link.output.send(frame(0, performative))

    # ------------------------------------------------------------------ while it is there

    def fell_silent(self) -> None:
        """Nothing came within our idle time-out (§2.4.5): close with an error, without waiting for the answer."""
        text = f"nothing came for {self._settings.idle_time_out:g} s"
        self.fail(ConnectionFailure(conditions.RESOURCE_LIMIT_EXCEEDED, text))
        self.finish()

    def users_changed(self, find: Callable[[str], User | None]) -> None:
        """Rights have changed: links stay, and what is no longer permitted is refused."""
        if self._user is None or self.state >= CLOSING:
            return
        user = find(self._user.name)
        if user is None:
            text = f"user '{self._user.name}' is deleted"
            self.fail(ConnectionFailure(conditions.UNAUTHORIZED_ACCESS, text), is_expected=True)
            return
        self._user = user
        if self.opened is not None:
            self.opened.operations.change_user(user)

    # ------------------------------------------------------------------ the end

    def closed(self, close: Close) -> None:
        """The client's close: it is answered, or answers ours (§2.4.3)."""
        if self.state == CLOSING:
            self.finish()
        elif self.state == OPEN:
            error = close.error
            self._link.log.left(f"{error.condition}: {error.description or ''}" if error is not None else "")
            self.release()
            self.state = CLOSING
            self._link.output.send(frame(0, Close()))
            self.finish()
        else:
            raise ConnectionFailure(conditions.ILLEGAL_STATE, "close out of turn")

    def fail(self, failure: Failure, *, is_expected: bool = False) -> None:
        """Close the connection with an error; everything held goes back. ``is_expected``: nobody is at fault."""
        if self.state >= CLOSING:
            return
        text = f"{failure.condition}: {failure.description}"
        if is_expected:
            self._link.log.ended(text)
        else:
            self._link.log.closed(text)
        if self.state < AWAIT_OPEN:
            # Before that no frame can carry the error.
            self.finish()
            return
        self._sessions.settle_up()
        self.release()
        if not self._said_open:
            # An open comes before any close.
            self._say_open(answer(self._settings, is_refusal=True))
        self.start_closing()
        self._link.output.send(frame(0, Close(error=failure.error())))
        if self._parser.dead:
            # Its further input cannot be parsed.
            self.finish()

    def shutdown(self, reason: str) -> None:
        """The broker stops."""
        if self.state < OPEN:
            self.finish()
        else:
            self.fail(ConnectionFailure(conditions.CONNECTION_FORCED, reason), is_expected=True)

    def release(self) -> None:
        """Give back everything that the connection holds."""
        self._sessions.release()
        self._link.turn_end.clear()
        if self._identity is not None:
            self._containers.give_up(self._identity)
            self._identity = None
        if self.opened is not None:
            self.opened.nodes.release()
            self.opened.operations.release_owned()
