"""The server's side of one STOMP connection: log-in, frames one after the other, heart-beats, the end.

    AWAIT_CONNECT -> AUTHENTICATING -> OPEN -> ENDING -> CLOSED

Bytes become frames in ``FrameParser``; ``Commands`` has who does what they ask for. What is said is collected in the
output until the server takes it at the end of its turn.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Final

from batonmq.broker import Operations
from batonmq.errors import BrokerError, StoreError
from batonmq.protocols.sessions.link import Link
from batonmq.protocols.stomp.codec import V10, Head, encode_frame
from batonmq.protocols.stomp.commands import CONNECTS, Commands
from batonmq.protocols.stomp.connecting import LogIn, agreed_version
from batonmq.protocols.stomp.errors import Errors
from batonmq.protocols.stomp.failures import StompFailure, as_failure
from batonmq.protocols.stomp.messages import error_frame, receipt_frame
from batonmq.protocols.stomp.parser import ERROR, FrameParser
from batonmq.protocols.stomp.settings import StompSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from batonmq.broker import Broker, User
    from batonmq.broker.model.access import LogInAnswer
    from batonmq.protocols.sessions.failures import ClientFailure
    from batonmq.protocols.sessions.host import Host
    from batonmq.protocols.stomp.parser import Event

__all__ = ["StompSession"]

QUICK_FRAMES: Final = frozenset({"SEND", "ACK", "NACK"})

AWAIT_CONNECT: Final = 0
AUTHENTICATING: Final = 1
OPEN: Final = 2
ENDING: Final = 3
"""Nothing that comes counts any more; what is promised waits for the store, then the end is said."""
CLOSED: Final = 4


class StompSession:
    """One connection. ``output``, ``finished`` and ``suspended`` are the server's to read."""

    def __init__(self, broker: Broker, host: Host, settings: StompSettings | None = None) -> None:
        self._settings = settings = settings or StompSettings()
        self._link: Link[Event] = Link(broker, host, self)
        self._errors = Errors(self)
        self._parser = FrameParser(
            max_headers=settings.max_headers, max_head=settings.max_head, max_body=settings.max_body
        )
        self._state = AWAIT_CONNECT
        self._version = V10
        # Octets that came before the log-in.
        self._received = 0
        # From CONNECTED on.
        self._commands: Commands | None = None
        # What is said last; and the receipt of a DISCONNECT, which an ERROR instead of it names.
        self._last_words = b""
        self._last_receipt: str | None = None
        self._has_failed = False
        self.id = secrets.token_urlsafe(9)
        """Begins the ids of what is delivered on this connection; without the dots that follow in them."""
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
        if self._link.turn_ended() and self._commands is not None:
            self._commands.subscriptions.offer()
            if self._link.output.unsent:
                # A browser has filled it again; there is to be another turn after this one.
                self._link.output.wake()

    def writable(self, is_writable: bool) -> None:
        """Does the client read what is sent to it? Deliveries wait while it does not."""
        self._link.output.writable(is_writable)
        if self._commands is None:
            return
        if is_writable:
            self._commands.subscriptions.offer()
        else:
            self._commands.subscriptions.withdraw()

    def tick(self, now: float) -> None:
        """Heart-beats both ways (STOMP 1.2 "Heart-beating"), and an end to what does not move."""
        link = self._link
        beats = link.heartbeats
        beats.tick(now, is_suspended=self.suspended)
        if self._state < OPEN:
            if beats.age(now) >= self._settings.handshake_timeout:
                link.log.closed("no CONNECT in time")
                self._end()
        elif self._state == OPEN:
            silence = beats.silence(now)
            if silence:
                detail = f"nothing was heard for {silence:.1f} s, twice the heart-beats that were agreed on"
                self.fail(StompFailure("Heart-beat missed", detail, fatal=True))
            elif beats.is_due(now):
                link.output.send(b"\n")

    def users_changed(self, find: Callable[[str], User | None]) -> None:
        """Rights have changed: the user keeps his subscriptions, and is refused what he may not do any more."""
        if self._state != OPEN or self._commands is None:
            return
        operations = self._commands.operations
        user = find(operations.user.name)
        if user is None:
            detail = f"user '{operations.user.name}' is deleted"
            self.fail(StompFailure("Connection closed", detail, fatal=True, expected=True))
        else:
            operations.change_user(user)

    def shutdown(self, reason: str) -> None:
        """The broker stops."""
        if self._state == OPEN:
            self.fail(StompFailure("Server shutting down", reason, fatal=True, expected=True))
        elif self._state < OPEN:
            self._end()

    def connection_lost(self, *, in_order: bool = False) -> None:
        """The socket is gone; ``in_order``: what carried it was closed as it should."""
        self._link.log.lost(in_order=in_order)
        try:
            if self._state == OPEN:
                self._release()
        finally:
            self._state = CLOSED
            self._link.lost()

    # ------------------------------------------------------------------ what the store has done

    def batch_committed(self, batch: int) -> None:
        """All batches up to this number are durable."""
        if self._commands is not None:
            self._commands.receipts.batch_committed(batch)

    def batch_failed(self, batch: int, error: StoreError) -> None:
        """Those up to this number that were not committed before are not kept."""
        if self._commands is not None:
            lost = self._commands.receipts.batch_failed(batch, error)
            if lost is not None:
                self.fail(*lost)

    def come_apart(self) -> None:
        """The connection is gone: no part knows the session any more."""
        self._errors.part()

    # ------------------------------------------------------------------ what comes in

    def receive(self, data: bytes) -> None:
        """Bytes from the client, in any pieces."""
        self._link.heartbeats.heard()
        if self._state >= ENDING:
            return
        if self._state < OPEN:
            self._received += len(data)
            most = self._settings.max_before_login
            if self._received > most:
                self.fail(StompFailure("Frame too large", f"more than {most} octets before the log-in"))
                return
        self._link.intake.take(self, self._parser.feed(data))

    def take(self, events: list[Event], at: int) -> int:
        """Do what a frame asks for, or a run of SENDs; tells where the next frame is. Raises as ``Requests`` has it."""
        head, receipt, body = events[at]
        commands = self._commands
        if commands is not None and head.command == "SEND":
            return commands.sending.take(events, at)
        if head.command == ERROR:
            # What the parser could make nothing of.
            raise StompFailure("Bad frame", body.decode(), fatal=True)
        if commands is None:
            self._connect(head)
            return at + 1
        broker = self._link.broker
        if broker.is_touched:
            broker.dispatch_touched()
        if head.command == "DISCONNECT":
            self._disconnect(commands, receipt)
        else:
            commands.handle(head, receipt)
        return at + 1

    def is_quick(self, event: Event) -> bool:
        """Is it mostly done in some microseconds?"""
        return event[0].command in QUICK_FRAMES

    def refuse(self, event: Event, error: ClientFailure | BrokerError | StoreError) -> None:
        """What is wrong with a frame is answered by an ERROR."""
        if isinstance(error, StompFailure):
            failure = error
        elif isinstance(error, StoreError):
            failure = StompFailure("Store failure", error.reason, fatal=True)
        else:
            assert isinstance(error, BrokerError)
            failure = as_failure(error)
        self.fail(failure, event[1])

    def broken(self, event: Event) -> None:
        """A fault of the broker's own ends the connection."""
        self.fail(StompFailure("Internal error", "a fault of the broker's own; see its log", fatal=True), event[1])

    # ------------------------------------------------------------------ the log-in

    def _connect(self, head: Head) -> None:
        """Raises StompFailure."""
        if head.command not in CONNECTS:
            raise StompFailure("Illegal command", "You must log in using CONNECT first", bare=True)
        self._state = AUTHENTICATING
        self._version = agreed_version(head.headers)
        log_in = LogIn(head.headers, self._version, self._settings)
        self._link.intake.suspend()
        self._authenticate(log_in)

    def _authenticate(self, log_in: LogIn) -> None:
        host = self._link.host
        host.authenticate(log_in.user, log_in.passcode, lambda answer: self._authenticated(log_in, answer))

    def _authenticated(self, log_in: LogIn, answer: LogInAnswer) -> None:
        """The password has been checked."""
        if self._state != AUTHENTICATING:
            return
        if answer is None and log_in.unescape_passcode():
            self._authenticate(log_in)
            return
        self._link.intake.resume()
        try:
            self._open(log_in, answer)
        except StompFailure as failure:
            self.fail(failure)
        self.go_on()

    def _open(self, log_in: LogIn, answer: LogInAnswer) -> None:
        """Raises StompFailure."""
        link = self._link
        user, vhost = log_in.open(answer, link.broker.vhosts)
        terms = log_in.terms(self.id)
        operations = Operations(vhost, user, link, barrier=link.barrier)
        self._commands = Commands(link, terms, operations, self._errors)
        self._state = OPEN
        # Twice the interval: what is under way counts for the client.
        beat = log_in.beat_out
        link.heartbeats.agree(silence_max=2 * log_in.beat_in, interval=max(beat / 2, beat - 0.5))
        # The check of the password took what time it took.
        link.heartbeats.begin(link.broker.clock.monotonic())
        self._parse_on(self._version)
        link.output.send(encode_frame("CONNECTED", log_in.answer(self.id)))
        link.log.logged_in(user.name, vhost.name, f"STOMP {self._version}", name=terms.client_id)

    def _parse_on(self, version: str | None) -> None:
        """What followed the CONNECT waits to be done."""
        self._parser.resume(version)
        self._link.intake.put_off(self._parser.feed(b""))

    # ------------------------------------------------------------------ errors and the end

    def fail(self, failure: StompFailure, receipt: str | None = None, headers: Sequence[tuple[str, str]] = ()) -> None:
        """An ERROR; the connection ends with it where it must, or where the dialect has it so."""
        if self._state == CLOSED or self._has_failed:
            return
        if receipt is None:
            receipt = self._last_receipt
        frame = error_frame(failure.message, failure.body, headers, receipt, self._version)
        text = f"{failure.message}: {failure.detail}"
        if not failure.fatal and self._goes_on():
            self._link.log.failed(text)
            self._link.output.send(frame)
            return
        if failure.expected:
            self._link.log.ended(text)
        else:
            self._link.log.closed(text)
        self._has_failed = True
        if self._state == ENDING:
            # What its receipt would have promised does not hold.
            self._last_words = frame
        else:
            self._end(frame)

    def _goes_on(self) -> bool:
        """Does an ERROR leave the connection as it is? Before the log-in: back to where a CONNECT is waited for."""
        dialect = self._settings.dialect
        if self._state == OPEN:
            return not dialect.closes_on_error
        if self._state > OPEN or not dialect.connects_again:
            return False
        if self._state == AUTHENTICATING:
            self._state = AWAIT_CONNECT
            self._parse_on(None)
        return True

    def _disconnect(self, commands: Commands, receipt: str | None) -> None:
        self._link.log.left()
        # What follows is not looked at (STOMP 1.2 "DISCONNECT"); what was promised before is kept first.
        if receipt is None:
            self._end()
            return
        if self._link.broker.store.has_work():
            # What was acknowledged is on its way to the disk too.
            commands.receipts.answer_after([])
        self._end(receipt_frame(receipt, self._version), receipt)

    def _end(self, frame: bytes = b"", receipt: str | None = None) -> None:
        """Say what is owed when the store has it, then this, and close. ``receipt`` is the one in the frame."""
        was_open = self._state == OPEN
        self._state = ENDING
        self._last_words, self._last_receipt = frame, receipt
        self._link.intake.close()
        if was_open:
            self._release()
        if was_open and self._commands is not None and self._commands.are_owed:
            self._link.barrier.wait_for_commit(self._finish, lambda _: self._finish())
        else:
            self._finish()

    def _finish(self) -> None:
        if self._state == CLOSED:
            return
        if self._last_words:
            self._link.output.send(self._last_words)
        self._state = CLOSED
        self._link.intake.resume()
        self._link.output.finish()

    def _release(self) -> None:
        """Give back everything that the connection holds."""
        if self._commands is not None:
            self._commands.release()
