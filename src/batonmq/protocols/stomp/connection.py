"""One STOMP connection from CONNECT to its end: the log-in, heart-beats, errors, and what is owed before it closes.

AWAIT_CONNECT -> AUTHENTICATING -> OPEN -> ENDING -> CLOSED
"""

from __future__ import annotations

import secrets
from functools import partial
from typing import TYPE_CHECKING, Final

from batonmq.broker import ManagedOperations
from batonmq.protocols.stomp.attention import Attention, introduce
from batonmq.protocols.stomp.codec import V10, Head, encode_frame
from batonmq.protocols.stomp.commands import CONNECTS, Commands
from batonmq.protocols.stomp.connecting import LogIn, agreed_version
from batonmq.protocols.stomp.errors import Errors
from batonmq.protocols.stomp.failures import StompFailure
from batonmq.protocols.stomp.messages import error_frame, receipt_frame

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from batonmq.broker import User
    from batonmq.broker.model.access import LogInAnswer
    from batonmq.protocols.sessions.link import Link
    from batonmq.protocols.stomp.parser import Event, FrameParser
    from batonmq.protocols.stomp.settings import StompSettings

__all__ = ["Connection"]

AWAIT_CONNECT: Final = 0
AUTHENTICATING: Final = 1
OPEN: Final = 2
ENDING: Final = 3
"""Input is ignored; promised receipts wait for the store, then the last frame is sent."""
CLOSED: Final = 4


class Connection:
    """The state of one connection, from before its CONNECT to its end."""

    __slots__ = (
        "_errors",
        "_has_failed",
        "_last_receipt",
        "_last_words",
        "_link",
        "_parser",
        "_received",
        "_session",
        "_settings",
        "_version",
        "commands",
        "state",
    )

    def __init__(self, link: Link[Event], settings: StompSettings, parser: FrameParser) -> None:
        self._link = link
        self._settings = settings
        self._parser = parser
        self._errors = Errors(self)
        self.state = AWAIT_CONNECT
        link.heartbeats.await_log_in(settings.handshake_timeout)
        self.commands: Commands | None = None
        """Handles frames; None before the log-in."""
        # The prefix of delivery ids on this connection, without the dots that follow it.
        self._session = secrets.token_urlsafe(9)
        self._version = V10
        # Octets that came before the log-in.
        self._received = 0
        # The last frame; and the receipt of a DISCONNECT, which an ERROR in its place names.
        self._last_words = b""
        self._last_receipt: str | None = None
        self._has_failed = False

    # ------------------------------------------------------------------ frames

    def may_send(self, octets: int) -> bool:
        """May the client send that much? Before the log-in there is a limit; a client that exceeds it gets an ERROR."""
        if self.state < OPEN:
            self._received += octets
            most = self._settings.max_before_login
            if self._received > most:
                self.fail(StompFailure("Frame too large", f"more than {most} octets before the log-in"))
                return False
        return self.state < ENDING

    # ------------------------------------------------------------------ the log-in

    def connect(self, head: Head) -> None:
        """The first frame. Raises StompFailure."""
        if head.command not in CONNECTS:
            raise StompFailure("Illegal command", "You must log in using CONNECT first", bare=True)
        self.state = AUTHENTICATING
        self._version = agreed_version(head.headers)
        log_in = LogIn(head.headers, self._version, self._settings, self._link.host.certificate_name)
        self._link.intake.suspend()
        self._authenticate(log_in)

    def _authenticate(self, log_in: LogIn) -> None:
        authenticated = partial(self._authenticated, log_in)
        host = self._link.host
        if log_in.is_by_certificate:
            host.log_in_by_certificate(authenticated)
        else:
            host.authenticate(log_in.user, log_in.passcode, authenticated)

    def _authenticated(self, log_in: LogIn, answer: LogInAnswer) -> None:
        """The password has been checked."""
        if self.state != AUTHENTICATING:
            return
        if answer is None and log_in.unescape_passcode():
            self._authenticate(log_in)
            return
        self._link.intake.resume()
        try:
            self._open(log_in, answer)
        except StompFailure as failure:
            self.fail(failure)
        self._link.intake.go_on()

    def _open(self, log_in: LogIn, answer: LogInAnswer) -> None:
        """Raises StompFailure."""
        link = self._link
        user, vhost = log_in.open(answer, link.broker.vhosts, link.broker.clients)
        terms = log_in.terms(self._session)
        operations = ManagedOperations(vhost, user, link, barrier=link.barrier)
        self.commands = Commands(link, terms, operations, self._errors)
        self.state = OPEN
        # Twice the interval allows for frames under way.
        beat = log_in.beat_out
        early = min(beat / 2, 0.5)
        link.heartbeats.agree(silence_max=2 * log_in.beat_in, interval=beat - early, late=early)
        # The time of the password check does not count.
        link.heartbeats.begin(link.broker.clock.monotonic())
        self._parse_on(self._version)
        link.output.send(encode_frame("CONNECTED", log_in.answer(self._session)))
        attention = Attention(self, self.commands, link.counts)
        link.logged_in(user.name, vhost.name, introduce(log_in, terms), attention)

    def _parse_on(self, version: str | None) -> None:
        """Queue the frames that followed the CONNECT."""
        self._parser.resume(version)
        self._link.intake.put_off(self._parser.feed(b""))

    # ------------------------------------------------------------------ what the server tells

    def tick(self, now: float) -> float:
        """Heart-beats both ways (STOMP 1.2 "Heart-beating"), and an end to what does not move."""
        link = self._link
        beats = link.heartbeats
        beats.tick(now, is_suspended=link.intake.suspended)
        if self.state < OPEN:
            if beats.age(now) >= self._settings.handshake_timeout:
                link.log.closed("no CONNECT in time")
                self._end()
        elif self.state == OPEN:
            silence = beats.silence(now)
            if silence:
                # Without an ERROR, as with RabbitMQ and ActiveMQ: see `shutdown`.
                link.log.closed(f"nothing was heard for {silence:.1f} s, twice the heart-beats that were agreed on")
                self._end()
            elif beats.is_due(now):
                link.output.send(b"\n")
        return beats.pace

    def users_changed(self, find: Callable[[str], User | None]) -> None:
        """Rights have changed: the user keeps his subscriptions, and is refused what he may not do any more."""
        if self.state != OPEN or self.commands is None:
            return
        operations = self.commands.operations
        user = find(operations.user.name)
        if user is None:
            detail = f"user '{operations.user.name}' is deleted"
            self.fail(StompFailure("Connection closed", detail, fatal=True, expected=True))
        else:
            operations.change_user(user)

    def shutdown(self, reason: str) -> None:
        """The broker stops: without an ERROR, as with RabbitMQ and ActiveMQ.

        At an ERROR stompit raises where nothing catches it, instead of connecting again.
        """
        if self.state == OPEN:
            self._link.log.ended(f"Server shutting down: {reason}")
        if self.state <= OPEN:
            self._end()

    @property
    def is_ending(self) -> bool:
        """Is nothing more taken from the client?"""
        return self.state >= ENDING

    def force_close(self, reason: str) -> None:
        """An administrator wants the connection closed."""
        if self.state == OPEN:
            self.fail(StompFailure("Connection closed", reason, fatal=True, expected=True))

    def lost(self) -> None:
        """The socket is gone: give back what the client held."""
        was_open = self.state == OPEN
        self.state = CLOSED
        if was_open:
            self._release()

    def come_apart(self) -> None:
        """Drop references to the session."""
        self._errors.part()

    # ------------------------------------------------------------------ errors and the end

    def fail(self, failure: StompFailure, receipt: str | None = None, headers: Sequence[tuple[str, str]] = ()) -> None:
        """An ERROR; the connection ends with it where it must, or where the dialect has it so.

        ``receipt`` is that of the frame that asked for it; ``headers`` are what the ERROR has beside its own.
        """
        if self.state == CLOSED or self._has_failed:
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
        if self.state == ENDING:
            # The promise of its receipt no longer holds.
            self._last_words = frame
        else:
            self._end(frame)

    def _goes_on(self) -> bool:
        """Does the connection survive an ERROR? Before the log-in it goes back to waiting for a CONNECT."""
        dialect = self._settings.dialect
        if self.state == OPEN:
            return not dialect.closes_on_error
        if self.state > OPEN or not dialect.connects_again:
            return False
        if self.state == AUTHENTICATING:
            self.state = AWAIT_CONNECT
            self._parse_on(None)
        return True

    def disconnect(self, receipt: str | None) -> None:
        """DISCONNECT, on an open connection."""
        self._link.log.left()
        # Further frames are ignored (STOMP 1.2 "DISCONNECT"); earlier promises are kept first.
        if receipt is None:
            self._end()
            return
        # Acknowledgements may be on their way to the disk, too.
        if self.commands is not None:
            self.commands.receipts.wait_for_all()
        self._end(receipt_frame(receipt, self._version), receipt)

    def _end(self, frame: bytes = b"", receipt: str | None = None) -> None:
        """Send owed receipts once the store is done, then this frame, and close.

        ``receipt`` is the one in the frame.
        """
        was_open = self.state == OPEN
        self.state = ENDING
        self._last_words, self._last_receipt = frame, receipt
        self._link.intake.close()
        if was_open:
            self._release()
        if was_open and self.commands is not None and self.commands.are_owed:
            self._link.barrier.wait_for_commit(self._finish, lambda _: self._finish())
        else:
            self._finish()

    def _finish(self) -> None:
        if self.state == CLOSED:
            return
        if self._last_words:
            self._link.output.send(self._last_words)
        self.state = CLOSED
        self._link.intake.resume()
        self._link.output.finish()

    def _release(self) -> None:
        """Give back everything that the connection holds."""
        if self.commands is not None:
            self.commands.release()
