"""The server's side of one AMQP 0-9-1 connection: what comes in, who does it, and how it ends.

Bytes become events in ``FrameParser``; here they become requests to a channel or, on channel 0, to the connection. What
is said is collected in the output until the server takes it at the end of its turn.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from batonmq.broker import Operations
from batonmq.broker.model.access import BUSY, TOO_MANY_LOG_INS
from batonmq.errors import BrokerError, StoreError
from batonmq.protocols.amqp091 import methods
from batonmq.protocols.amqp091.blocking import Blocking
from batonmq.protocols.amqp091.channels import Channels
from batonmq.protocols.amqp091.constants import ACK, CONNECTION, CONTENT, ERROR, METHOD, PUBLISH
from batonmq.protocols.amqp091.encoder import HEARTBEAT_FRAME, method_frame
from batonmq.protocols.amqp091.failures import ProtocolFailure, as_failure, reply_text
from batonmq.protocols.amqp091.handshake import Handshake, WrongHeader
from batonmq.protocols.amqp091.open_connection import OpenConnection
from batonmq.protocols.amqp091.parser import FrameParser
from batonmq.protocols.amqp091.settings import AmqpSettings
from batonmq.protocols.amqp091.states import AUTHENTICATING, AWAIT_HEADER, AWAIT_OPEN, CLOSED, CLOSING, OPEN, OPENING
from batonmq.protocols.sessions.link import Link

if TYPE_CHECKING:
    from collections.abc import Callable

    from batonmq.broker import Broker, User
    from batonmq.broker.model.access import LogInAnswer
    from batonmq.broker.vhosts.vhost import VirtualHost
    from batonmq.protocols.amqp091.parser import Event
    from batonmq.protocols.sessions.failures import ClientFailure
    from batonmq.protocols.sessions.host import Host

__all__ = ["AmqpSession"]


class AmqpSession:
    """One connection. ``states`` has the states that it goes through, and what is expected in each."""

    def __init__(self, broker: Broker, host: Host, settings: AmqpSettings | None = None) -> None:
        self._settings = settings or AmqpSettings()
        self._link: Link[Event] = Link(broker, host, self)
        self._parser = FrameParser(max_body=self._settings.max_message_size)
        self._state = OPENING
        self._handshake = Handshake(self._settings, self._link.output)
        # From connection.open on; and who is told then that the store takes no messages.
        self._open: OpenConnection | None = None
        self._blocking: Blocking | None = None
        self._channels = Channels()
        self._closing_since = 0.0
        self.output = self._link.output.chunks
        self.counts = self._link.counts

    # ------------------------------------------------------------------ what the server asks

    @property
    def finished(self) -> bool:
        """Is nothing more to be said?"""
        return self._link.output.finished

    @property
    def suspended(self) -> bool:
        """Does it wait for the store, or for a log-in?"""
        return self._link.intake.suspended

    @property
    def is_held(self) -> bool:
        """Does the output wait until the store has noted what is being delivered in it?"""
        return self._link.barrier.is_held

    @property
    def has_backlog(self) -> bool:
        """Is there anything that the client has asked for, and that waits?"""
        return bool(self._link.intake)

    def go_on(self) -> None:
        """Take up what waits."""
        self._link.intake.go_on(self)

    def is_ahead(self) -> bool:
        """Does the client publish faster than consumers that are at work take it?"""
        return self._link.intake.is_ahead()

    def turn_ended(self) -> None:
        """The output is about to be taken."""
        if self._link.turn_ended():
            self._offer()

    def writable(self, is_writable: bool) -> None:
        """Does the client read what is sent to it? Deliveries wait while it does not."""
        self._link.output.writable(is_writable)
        if is_writable:
            self._offer()
        else:
            for channel in self._channels:
                channel.withdraw()

    def _offer(self) -> None:
        for channel in self._channels:
            channel.offer()

    def tick(self, now: float) -> None:
        """Heartbeats both ways (§4.2.7), and an end to what does not move."""
        link = self._link
        beats = link.heartbeats
        beats.tick(now, is_suspended=self.suspended)
        if self._state == OPENING:
            if beats.age(now) >= self._settings.handshake_timeout and not self.finished:
                link.log.closed("the handshake was not finished in time")
                self._finish()
        elif self._state == CLOSING:
            if now - self._closing_since >= self._settings.handshake_timeout:
                self._finish()
        elif beats.silence(now):
            link.log.closed(f"missed heartbeats, timeout: {self._handshake.terms.heartbeat}s")
            self._release()
            self._finish()
        elif beats.is_due(now):
            link.output.send(HEARTBEAT_FRAME)

    def users_changed(self, find: Callable[[str], User | None]) -> None:
        """Rights have changed: the user keeps his consumers, and is refused what he may not do any more."""
        known = self._handshake.user
        if known is None or self._state > OPEN:
            return
        user = find(known.name)
        if user is None:
            self._close(320, f"user '{known.name}' is deleted")
            return
        self._handshake.change_user(user)
        if self._open is not None:
            self._open.operations.change_user(user)

    def shutdown(self, reason: str) -> None:
        """The broker stops."""
        if self._state == OPENING:
            self._finish()
        else:
            self._close(320, reason)

    def connection_lost(self, *, in_order: bool = False) -> None:
        """The socket is gone; ``in_order``: what carried it was closed as it should."""
        self._link.log.lost(in_order=in_order)
        try:
            if self._state < CLOSING:
                self._release()
        finally:
            self._state = CLOSED
            self._link.lost()

    # ------------------------------------------------------------------ what the store has done

    def batch_committed(self, batch: int) -> None:
        """All batches up to this number are durable."""
        for channel in self._channels:
            channel.batch_committed(batch)

    def batch_failed(self, batch: int, error: StoreError) -> None:
        """Those up to this number that were not committed before are not kept."""
        for channel in self._channels:
            channel.batch_failed(batch, error)

    def come_apart(self) -> None:
        """None of the parts knows the session."""

    # ------------------------------------------------------------------ what comes in

    def receive(self, data: bytes) -> None:
        """Bytes from the client, in any pieces."""
        self._link.heartbeats.heard()
        if self._handshake.state == AWAIT_HEADER and self._state == OPENING:
            try:
                data = self._handshake.receive_header(data)
            except WrongHeader as wrong:
                self._link.log.closed(str(wrong))
                self._finish()
            if not data:
                return
        if self._state != CLOSED:
            self._link.intake.take(self, self._parser.feed(data))

    def take(self, events: list[Event], at: int) -> int:
        """Do what an event asks for, or a run of them; tells where the next is. Raises as ``Requests`` has it."""
        event = events[at]
        if event[0] == PUBLISH:
            channel = self._channels.find(event[1])
            if channel is None:
                self._unexpected()
            elif channel.is_open:
                return channel.publisher.take(events, at)
            return at + 1
        self._link.intake.published(None)
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
        # A heartbeat has done its work by coming.
        return at + 1

    def is_quick(self, event: Event) -> bool:
        """Is it mostly done in some microseconds?"""
        return event[0] != METHOD

    def refuse(self, event: Event, error: ClientFailure | BrokerError | StoreError) -> None:
        """What is wrong with a request closes its channel, or the connection."""
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
        """A fault of the broker's own ends the connection."""
        self._close(541, "a fault of the broker's own; see its log")

    def _fail(self, number: int, failure: ProtocolFailure, class_id: int, method_id: int, *, is_hard: bool) -> None:
        channel = self._channels.find(number)
        if is_hard or channel is None:
            self._close(failure.code, failure.detail, class_id, method_id)
        else:
            channel.fail(failure, class_id, method_id)

    def _unexpected(self) -> None:
        """A publish or an acknowledgement on a channel that is not open."""
        if self._state == OPEN:
            raise ProtocolFailure(504, "expected 'channel.open'")
        if self._state == OPENING:
            raise ProtocolFailure(503, "unexpected method before connection.open")

    def _receive_method(self, number: int, method: methods.Method) -> None:
        if self._state >= CLOSING:
            # After our close only its answer counts, or a close that crossed ours (§1.4.2.9).
            if isinstance(method, methods.ConnectionCloseOk):
                self._finish()
            elif isinstance(method, methods.ConnectionClose):
                self._say(methods.ConnectionCloseOk())
        elif number == 0:
            self._receive_connection_method(method)
        elif self._open is None:
            raise ProtocolFailure(503, "unexpected method before connection.open")
        else:
            self._channels.handle(number, method, self._open)

    def _say(self, method: methods.Method) -> None:
        self._link.output.send(method_frame(0, method))

    # ------------------------------------------------------------------ channel 0

    def _receive_connection_method(self, method: methods.Method) -> None:
        """Raises ProtocolFailure, NotAllowed."""
        if isinstance(method, methods.ConnectionClose):
            self._say(methods.ConnectionCloseOk())
            self._link.log.left(f"{method.reply_code} {method.reply_text}")
            self._release()
            self._finish()
        elif self._state == OPENING:
            self._go_on_opening(method)
        elif isinstance(method, methods.ConnectionUpdateSecret):
            # Passwords do not run out, so that there is nothing to renew; clients that try are told yes.
            self._say(methods.ConnectionUpdateSecretOk())
        elif method.INDEX >> 16 != CONNECTION:
            raise ProtocolFailure(504, "unexpected method in connection state running")
        else:
            raise _out_of_turn(method)

    def _go_on_opening(self, method: methods.Method) -> None:
        handshake = self._handshake
        if not handshake.expects(method):
            if handshake.state < AWAIT_OPEN:
                # Whoever speaks out of turn before the log-in is told nothing.
                self._link.log.closed(f"{type(method).__name__} out of turn")
                self._finish()
                return
            raise _out_of_turn(method)
        if isinstance(method, methods.ConnectionStartOk):
            log_in = handshake.start_ok(method)
            self._link.intake.suspend()
            self._link.host.authenticate(log_in.user, log_in.password, self._authenticated)
        elif isinstance(method, methods.ConnectionTuneOk):
            terms = handshake.tune_ok(method)
            self._link.heartbeats.agree(silence_max=2 * terms.heartbeat, interval=terms.heartbeat / 2)
            self._parser.tune(terms.frame_max)
        elif isinstance(method, methods.ConnectionOpen):
            user, vhost = handshake.open(method, self._link.broker.vhosts)
            self._opened(user, vhost)

    def _authenticated(self, answer: LogInAnswer) -> None:
        """The password has been checked."""
        handshake = self._handshake
        if self._state != OPENING or handshake.state != AUTHENTICATING:
            return
        self._link.intake.resume()
        if answer is BUSY:
            # No word of the password: it was not looked at.
            self._close(320, TOO_MANY_LOG_INS)
        elif answer is None:
            self._refuse_log_in()
        else:
            handshake.authenticated(answer)
            self.go_on()

    def _refuse_log_in(self) -> None:
        log_in = self._handshake.log_in
        if log_in is None or not log_in.client.wants_close_on_refusal:
            self._link.log.closed("the log-in was refused")
            self._finish()
            return
        detail = log_in.refusal()
        self._link.log.closed(detail)
        self._say_close(403, reply_text(403, detail), 0, 0)
        self.go_on()

    def _opened(self, user: User, vhost: VirtualHost) -> None:
        link = self._link
        handshake = self._handshake
        assert handshake.log_in is not None
        client = handshake.log_in.client
        operations = Operations(vhost, user, link, deliveries=self._channels, barrier=link.barrier)
        self._open = OpenConnection(link, client, handshake.terms, operations, self._settings)
        self._state = OPEN
        link.log.logged_in(user.name, vhost.name, "AMQP 0-9-1", client.product, client.name)
        self._say(methods.ConnectionOpenOk())
        if client.wants_blocked:
            self._blocking = Blocking(link.output)
            link.broker.observers[self._blocking] = None
            if link.broker.store.error is not None:
                self._blocking.store_failing(link.broker.store.error)

    # ------------------------------------------------------------------ the end

    def _close(self, code: int, detail: str, class_id: int = 0, method_id: int = 0) -> None:
        """connection.close from our side (§1.4.2.9); all that was held goes back."""
        if self._state >= CLOSING:
            return
        for channel in self._channels:
            channel.send_confirms()
        self._release()
        text = reply_text(code, detail)
        if code == 320:
            self._link.log.ended(text)
        else:
            self._link.log.closed(text)
        self._say_close(code, text, class_id, method_id)
        if self._handshake.user is None or self._parser.dead:
            # Nobody can be expected to answer, or to be understood.
            self._finish()

    def _say_close(self, code: int, text: str, class_id: int, method_id: int) -> None:
        """Say it, and wait for close-ok."""
        self._state = CLOSING
        self._closing_since = self._link.broker.clock.monotonic()
        self._say(
            methods.ConnectionClose(reply_code=code, reply_text=text, class_id=class_id, method_id=method_id),
        )

    def _finish(self) -> None:
        """Nothing more is said: what was sent is written, and the socket closed."""
        self._state = CLOSED
        self._link.intake.close()
        self._link.output.finish()

    def _release(self) -> None:
        """Give back everything that the connection holds."""
        if self._blocking is not None:
            self._link.broker.observers.pop(self._blocking, None)
        self._channels.release()
        self._link.turn_end.clear()
        if self._open is not None:
            self._open.operations.release_owned()


def _out_of_turn(method: methods.Method) -> ProtocolFailure:
    return ProtocolFailure(503, f"unexpected method in this state: {type(method).__name__}")


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
