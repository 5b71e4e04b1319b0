"""The server's side of one STOMP connection: log-in, frames one after the other, receipts, heart-beats, the end.

    AWAIT_CONNECT -> AUTHENTICATING -> OPEN -> ENDING -> CLOSED

Bytes become frames in ``FrameParser``; ``commands`` says who does what they ask for. What is sent is collected in
``output`` until the server takes it at the end of its turn.
"""

from __future__ import annotations

import logging
import secrets
from typing import TYPE_CHECKING, Final, Protocol

from batonmq.errors import BrokerError, StoreError
from batonmq.protocols.sessions.backlog import OUTPUT_MAX, QUICK, Backlog
from batonmq.protocols.sessions.commit_gate import CommitGate
from batonmq.protocols.sessions.connection_log import ConnectionLog
from batonmq.protocols.sessions.counts import MessageCounts
from batonmq.protocols.stomp.acknowledging import Acknowledging
from batonmq.protocols.stomp.codec import V10, Head, encode_frame, octets
from batonmq.protocols.stomp.commands import CONNECTS, handle
from batonmq.protocols.stomp.connecting import Connecting
from batonmq.protocols.stomp.declaring import Declaring
from batonmq.protocols.stomp.failures import StompFailure, as_failure
from batonmq.protocols.stomp.parser import ERROR, FrameParser
from batonmq.protocols.stomp.receipts import Receipts
from batonmq.protocols.stomp.sending import Sending
from batonmq.protocols.stomp.settings import StompSettings
from batonmq.protocols.stomp.subscribing import Subscribing
from batonmq.protocols.stomp.transactions import Transactions

if TYPE_CHECKING:
    from collections.abc import Callable

    from batonmq.broker import Broker, Operations, Share, User
    from batonmq.broker.model.access import LogInAnswer
    from batonmq.broker.vhosts.vhost import VirtualHost
    from batonmq.protocols.stomp.parser import Event

__all__ = ["Host", "StompSession"]

log = logging.getLogger("batonmq.stomp")

# Deliveries stop while so many bytes wait to be written to the client.
UNSENT_MAX: Final = 512 << 10
QUICK_FRAMES: Final = frozenset({"SEND", "ACK", "NACK"})

AWAIT_CONNECT: Final = 0
AUTHENTICATING: Final = 1
OPEN: Final = 2
ENDING: Final = 3
"""Nothing that comes counts any more; what is promised waits for the store, then the end is said."""
CLOSED: Final = 4


# What a session is put together of; each knows the session.
PARTS: Final = (
    "acknowledging",
    "connecting",
    "declaring",
    "operations",
    "receipts",
    "sending",
    "subscribing",
    "transactions",
)


class Host(Protocol):
    """The server, as one session sees it."""

    @property
    def peer(self) -> str: ...
    @property
    def is_loopback(self) -> bool: ...
    def wake(self) -> None: ...
    def resume(self) -> None: ...
    def authenticate(self, user: str, password: str, callback: Callable[[LogInAnswer], None]) -> None: ...


class StompSession:
    """See the module. ``output``, ``finished`` and ``suspended`` are the server's to read."""

    def __init__(self, broker: Broker, host: Host, settings: StompSettings | None = None) -> None:
        self.broker = broker
        self.host = host
        self.settings = settings or StompSettings()
        self.dialect = self.settings.dialect
        self.output: list[bytes] = []
        self.counts = MessageCounts()
        self.finished = False
        self.suspended = False
        self.state = AWAIT_CONNECT
        # Begins the ids of what is delivered on this connection; without the dots that follow in them.
        self.id = secrets.token_urlsafe(9)
        self.version = V10
        self.client_id = ""
        self.user: User
        self.vhost: VirtualHost
        self.operations: Operations
        # Numbers deliveries, over all subscriptions.
        self.last_tag = 0
        # Bytes that were said since the output was last taken; 0 as the most there may be: the socket takes no more.
        self.unsent = 0
        self.unsent_max = UNSENT_MAX
        # Seconds; 0: none are sent, none expected.
        self.beat_out = self.beat_in = 0.0
        # What is said last; and the receipt of a DISCONNECT, which an ERROR instead of it names.
        self._last_words = b""
        self._last_receipt: str | None = None
        self._has_failed = False
        self.gate = CommitGate(broker, self)
        self.connecting = Connecting(self)
        self.declaring = Declaring(self)
        self.sending = Sending(self)
        self.receipts = Receipts(self)
        self.subscribing = Subscribing(self)
        self.acknowledging = Acknowledging(self)
        self.transactions = Transactions(self)
        settings = self.settings
        self._parser = FrameParser(
            max_headers=settings.max_headers, max_head=settings.max_head, max_body=settings.max_body
        )
        self.backlog: Backlog[Event] = Backlog(broker.turn_time)
        self._numbers = 0
        self._received = 0
        self.journal = ConnectionLog(host.peer, broker.clock)
        self._started = broker.clock.monotonic()
        self._heard = self._said = self._started
        self._has_heard = False

    # ------------------------------------------------------------------ bytes in

    def receive(self, data: bytes) -> None:
        """Bytes from the client, in any pieces."""
        self._has_heard = True
        if self.state >= ENDING:
            return
        if self.state < OPEN:
            self._received += len(data)
            if self._received > self.settings.max_before_login:
                most = self.settings.max_before_login
                self.fail(StompFailure("Frame too large", f"more than {most} octets before the log-in"), None)
                return
        self.backlog.take(self, self._parser.feed(data))

    @property
    def is_open(self) -> bool:
        """Is it logged in, and not at its end?"""
        return self.state == OPEN

    @property
    def is_authenticating(self) -> bool:
        """Is the password being checked?"""
        return self.state == AUTHENTICATING

    def opened(self) -> None:
        """The log-in is done and the version agreed on: take what followed the CONNECT."""
        self.state = OPEN
        # The check of the password took what time it took.
        self._heard = self._said = self.broker.clock.monotonic()
        self._parser.resume(self.version)
        self.backlog.put_off(self._parser.feed(b""))

    def process(self, events: list[Event], share: Share) -> int:
        """Do what these ask for. See ``Working``."""
        at = 0
        end = len(events)
        quick = QUICK
        while at < end:
            head, receipt, body = events[at]
            try:
                if head.command == "SEND" and self.state == OPEN:
                    at = self.sending.take(events, at)
                elif head.command == ERROR:
                    raise StompFailure("Bad frame", body.decode(), fatal=True)
                else:
                    self._obey(head, receipt)
            except StompFailure as failure:
                self.fail(failure, _receipt_of(events[at]))
            except BrokerError as error:
                self.fail(as_failure(error), _receipt_of(events[at]))
            except StoreError as error:
                self.fail(StompFailure("Store failure", error.reason, fatal=True), _receipt_of(events[at]))
            except Exception:
                log.exception("%s: a fault of the broker's own ended the connection", self.host.peer)
                detail = "a fault of the broker's own; see its log"
                self.fail(StompFailure("Internal error", detail, fatal=True), _receipt_of(events[at]))
            at += 1
            if self.state >= ENDING:
                # What follows is not looked at.
                return end
            if self.suspended or self.unsent >= OUTPUT_MAX:
                break
            quick -= 1
            if not quick or head.command not in QUICK_FRAMES:
                if share.is_used():
                    break
                quick = QUICK
        if self.state == OPEN and self.broker.store.has_work():
            self.host.wake()
        return at

    def _obey(self, head: Head, receipt: str | None) -> None:
        """A frame that is no plain SEND. Raises StompFailure, BrokerError, StoreError."""
        if self.state != OPEN:
            if head.command not in CONNECTS:
                raise StompFailure("Illegal command", "You must log in using CONNECT first", bare=True)
            self.state = AUTHENTICATING
            self.connecting.connect(head)
            return
        if self.broker.is_touched:
            self.broker.dispatch_touched()
        handle(self, head, receipt)

    def is_ahead(self) -> bool:
        """See ``Pace``: judged by the queue of the last SEND."""
        route, self.sending.last_route = self.sending.last_route, None
        return route is not None and route.queue is not None and route.queue.flow_control.is_behind()

    def new_number(self) -> int:
        """For a subscription, in the ids of its deliveries."""
        self._numbers += 1
        return self._numbers

    # ------------------------------------------------------------------ bytes out

    def send(self, data: bytes) -> None:
        """Send bytes at the end of the turn."""
        if not self.output:
            self.host.wake()
        self.output.append(data)
        self.unsent += len(data)

    def send_frame(self, command: str, headers: list[tuple[str, str]], body: bytes = b"") -> None:
        """Send a frame at the end of the turn."""
        self.send(encode_frame(command, headers, body, self.version))

    def turn_ended(self) -> None:
        """The output is about to be taken."""
        if self.output:
            self._said = 0.0
        if self.unsent:
            was_full = self.unsent >= self.unsent_max
            self.unsent = 0
            if was_full:
                self.subscribing.offer()
                if self.unsent:
                    # A browser has filled it again; there is to be another turn after this one.
                    self.host.wake()

    def writable(self, is_writable: bool) -> None:
        """Does the client read what is sent to it? Deliveries wait while it does not."""
        self.unsent_max = UNSENT_MAX if is_writable else 0
        if is_writable:
            self.subscribing.offer()
        else:
            self.subscribing.withdraw()

    # ------------------------------------------------------------------ the store

    @property
    def is_held(self) -> bool:
        """Does the output wait until the store has noted what is being delivered in it?"""
        return self.gate.is_held

    @property
    def is_over(self) -> bool:
        """Is there nobody left to talk to, and nothing that a failure of the store would have to undo?"""
        return self.state == CLOSED and not self.transactions.are_committing

    def wake(self) -> None:
        """See ``Gated``."""
        self.host.wake()

    @property
    def has_backlog(self) -> bool:
        """Is there anything that the client has asked for, and that waits?"""
        return bool(self.backlog)

    def batch_committed(self, batch: int) -> None:
        """See ``Gated``."""
        self.receipts.batch_committed(batch)

    def batch_failed(self, batch: int, error: StoreError) -> None:
        """See ``Gated``."""
        self.receipts.batch_failed(batch, error)

    def go_on(self) -> None:
        """Take up what waited while the session was suspended."""
        if self.suspended:
            return
        # What waits has been heard: the client is not read from meanwhile.
        self._has_heard = True
        self.backlog.go_on(self)
        if not self.suspended:
            self.host.resume()

    # ------------------------------------------------------------------ errors and the end

    def fail(self, failure: StompFailure, receipt: str | None, headers: list[tuple[str, str]] | None = None) -> None:
        """An ERROR; the connection ends with it where it must, or where the dialect has it so."""
        if self.state == CLOSED or self._has_failed:
            return
        if receipt is None:
            receipt = self._last_receipt
        shown = [("message", failure.message), ("content-type", "text/plain"), ("version", "1.0,1.1,1.2")]
        shown += headers or []
        if receipt is not None:
            shown.append(("receipt-id", receipt))
        frame = encode_frame("ERROR", shown, octets(failure.body, self.version), self.version)
        if not failure.fatal and self._goes_on():
            self.journal.failed(f"{failure.message}: {failure.detail}")
            self.send(frame)
            return
        if failure.expected:
            self.journal.ended(f"{failure.message}: {failure.detail}")
        else:
            self.journal.closed(f"{failure.message}: {failure.detail}")
        self._has_failed = True
        if self.state == ENDING:
            # What its receipt would have promised does not hold.
            self._last_words = frame
        else:
            self.end(frame)

    def _goes_on(self) -> bool:
        """Does an ERROR leave the connection as it is? Before the log-in: back to where a CONNECT is waited for."""
        if self.state == OPEN:
            return not self.dialect.closes_on_error
        if self.state > OPEN or not self.dialect.connects_again:
            return False
        if self.state == AUTHENTICATING:
            self.state = AWAIT_CONNECT
            self._parser.resume(None)
            self.backlog.put_off(self._parser.feed(b""))
        return True

    def end(self, frame: bytes = b"", receipt: str | None = None) -> None:
        """Say what is owed when the store has it, then this, and close. ``receipt`` is the one in the frame."""
        was_open = self.state == OPEN
        self.state = ENDING
        self._last_words, self._last_receipt = frame, receipt
        self.backlog.clear()
        if was_open:
            self._release()
        if was_open and (self.receipts.are_owed or self.transactions.are_committing):
            self.gate.wait_for_commit(self._finish, lambda _: self._finish())
        else:
            self._finish()

    def _finish(self) -> None:
        if self.state == CLOSED:
            return
        if self._last_words:
            self.send(self._last_words)
        self.state = CLOSED
        self.finished = True
        self.suspended = False
        self.host.wake()

    def users_changed(self, find: Callable[[str], User | None]) -> None:
        """Rights have changed: the user keeps his subscriptions, and is refused what he may not do any more."""
        if self.state != OPEN:
            return
        user = find(self.user.name)
        if user is None:
            detail = f"user '{self.user.name}' is deleted"
            self.fail(StompFailure("Connection closed", detail, fatal=True, expected=True), None)
        else:
            self.user = user
            self.operations.change_user(user)

    def shutdown(self, reason: str) -> None:
        """The broker stops."""
        if self.state == OPEN:
            self.fail(StompFailure("Server shutting down", reason, fatal=True, expected=True), None)
        elif self.state < OPEN:
            self.end()

    def _release(self) -> None:
        """Give back everything that the connection holds."""
        self.transactions.abort_all()
        self.subscribing.release()
        self.operations.release_owned()

    def connection_lost(self, *, in_order: bool = False) -> None:
        """The socket is gone; ``in_order``: what carried it was closed as it should."""
        if in_order:
            self.journal.left()
        else:
            self.journal.lost()
        try:
            if self.state == OPEN:
                self._release()
        finally:
            self.state = CLOSED
            self.finished = True
            self.backlog.clear()
            self.gate.leave()

    def come_apart(self) -> None:
        """See ``Gated``."""
        for part in PARTS:
            vars(self).pop(part, None)

    def tick(self, now: float) -> None:
        """Heart-beats both ways (STOMP 1.2 "Heart-beating"), and an end to what does not move."""
        if self._has_heard or self.suspended:
            # While it is suspended nobody reads what it sends.
            self._has_heard = False
            self._heard = now
        if self._said == 0.0:
            self._said = now
        if self.state < OPEN:
            if now - self._started >= self.settings.handshake_timeout:
                self.journal.closed("no CONNECT in time")
                self.end()
            return
        if self.state != OPEN:
            return
        # Twice the interval: what is under way counts for the client.
        if self.beat_in and now - self._heard > 2 * self.beat_in:
            detail = f"nothing was heard for {now - self._heard:.1f} s, twice the heart-beats that were agreed on"
            self.fail(StompFailure("Heart-beat missed", detail, fatal=True), None)
        elif self.beat_out and now - self._said >= max(self.beat_out / 2, self.beat_out - 0.5):
            self._said = now
            self.send(b"\n")


def _receipt_of(event: Event) -> str | None:
    return event[1]
