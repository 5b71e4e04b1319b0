"""What the server says on one AMQP 0-9-1 connection, when, and how it ends.

What is sent is collected in ``output`` until the server takes it at the end of its turn.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Protocol

from batonmq.protocols.amqp091 import methods
from batonmq.protocols.amqp091.encoder import HEARTBEAT_FRAME, method_frame
from batonmq.protocols.amqp091.failures import reply_text
from batonmq.protocols.amqp091.parser import FrameParser
from batonmq.protocols.amqp091.settings import AmqpSettings
from batonmq.protocols.amqp091.states import AWAIT_HEADER, AWAIT_TUNE_OK, CLOSED, CLOSING, OPEN
from batonmq.protocols.sessions.backlog import Backlog
from batonmq.protocols.sessions.commit_gate import CommitGate
from batonmq.protocols.sessions.connection_log import ConnectionLog

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from batonmq.broker import Broker, Operations, Share, User
    from batonmq.broker.model.access import LogInAnswer
    from batonmq.broker.vhosts.vhost import VirtualHost
    from batonmq.errors import StoreError
    from batonmq.fields import FieldValue
    from batonmq.protocols.amqp091.channel import Channel
    from batonmq.protocols.amqp091.consuming import Settlement
    from batonmq.protocols.amqp091.parser import Event
    from batonmq.protocols.amqp091.publishing import Publishing

# Deliveries stop while so many bytes wait to be written to the client.
UNSENT_MAX = 512 << 10


class Host(Protocol):
    """The server, as one session sees it."""

    @property
    def peer(self) -> str: ...
    @property
    def is_loopback(self) -> bool: ...
    def wake(self) -> None: ...
    def resume(self) -> None: ...
    def authenticate(self, user: str, password: str, callback: Callable[[LogInAnswer], None]) -> None: ...


class SpeakingSession(ABC):
    """See the module. ``output``, ``finished`` and ``suspended`` are the server's to read."""

    def __init__(self, broker: Broker, host: Host, settings: AmqpSettings | None = None) -> None:
        self.broker = broker
        self.host = host
        self.settings = settings or AmqpSettings()
        self.output: list[bytes] = []
        self.finished = False
        self.suspended = False
        self.state = AWAIT_HEADER
        self.frame_max = self.settings.frame_max
        self.channel_max = self.settings.channel_max
        self.heartbeat = 0
        self.wants_cancel_notify = False
        self.wants_blocked = False
        self.wants_close_on_refusal = False
        # Is a changed prefetch (global=false) meant for the consumers that are there, too?
        self.counts_on_later_prefetch = False
        self.client_properties: Mapping[str, FieldValue] = {}
        self.user: User
        self.vhost: VirtualHost
        self.operations: Operations
        self.channels: dict[int, Channel] = {}
        # Bytes that were said since the output was last taken; and does the socket take no more?
        self.unsent = 0
        self.unsent_max = UNSENT_MAX
        # Octets of the messages that open transactions hold.
        self.transactions_size = 0
        self.is_choked = False
        self._parser = FrameParser(max_body=self.settings.max_message_size)
        self.backlog: Backlog[Event] = Backlog(broker.turn_time)
        self._confirming: dict[Publishing, None] = {}
        self._sharing: dict[Settlement, None] = {}
        self._last_route: object = None
        self._last_words: list[bytes] = []
        self.gate = CommitGate(broker, self)
        self.closing_since = 0.0
        self._started = broker.clock.monotonic()
        self._heard = self._said = self._started
        self._has_heard = False
        self.journal = ConnectionLog(host.peer, broker.clock)

    @abstractmethod
    def process(self, events: list[Event], share: Share) -> int:
        """Do what the client asks for. See ``Working``."""

    # ------------------------------------------------------------------ bytes out

    def send(self, data: bytes) -> None:
        """Send bytes at the end of the turn."""
        if not self.output:
            self.host.wake()
        self.output.append(data)
        self.unsent += len(data)

    def send_last(self, data: bytes) -> None:
        """Send bytes behind all else that the turn has to say, and behind a reply that waits for the disk."""
        self._last_words.append(data)
        self.host.wake()

    def note_confirms(self, channel: Publishing) -> None:
        """The channel has publishes to confirm when the turn ends."""
        if not self._confirming:
            self.host.wake()
        self._confirming[channel] = None

    def note_sharing(self, channel: Settlement) -> None:
        """Consumers of the channel were called: when the turn ends, is there room left for others?"""
        if not self._sharing:
            self.host.wake()
        self._sharing[channel] = None

    def turn_ended(self) -> None:
        """The output is about to be taken: what is confirmed at once is confirmed in one frame for each channel."""
        if self._confirming:
            for confirming in self._confirming:
                confirming.send_confirms()
            self._confirming.clear()
        if self._sharing:
            sharing, self._sharing = self._sharing, {}
            for channel in sharing:
                channel.called.clear()
                channel.wake_line()
        if self._last_words and not self.suspended:
            self.output += self._last_words
            self._last_words.clear()
        if self.output:
            self._said = 0.0
        if self.unsent:
            was_full = self.unsent >= self.unsent_max
            self.unsent = 0
            if was_full:
                self._offer_consumers()

    def writable(self, is_writable: bool) -> None:
        """Does the client read what is sent to it? Deliveries wait while it does not."""
        self.is_choked = not is_writable
        # While the socket is full nothing may be handed over, whatever room there was.
        self.unsent_max = UNSENT_MAX if is_writable else 0
        if is_writable:
            self._offer_consumers()
        else:
            for channel in self.channels.values():
                for consumer in channel.consumers.values():
                    if consumer.waiting:
                        consumer.queue.withdraw(consumer)

    def _offer_consumers(self) -> None:
        for channel in self.channels.values():
            channel.offer_consumers()

    # ------------------------------------------------------------------ the store

    @property
    def is_held(self) -> bool:
        """Does the output wait until the store has noted what is being delivered in it?"""
        return self.gate.is_held

    @property
    def is_over(self) -> bool:
        """Is there nobody left to talk to?"""
        return self.state == CLOSED

    def wake(self) -> None:
        """See ``Gated``."""
        self.host.wake()

    @property
    def has_backlog(self) -> bool:
        """Is there anything that the client has asked for, and that waits?"""
        return bool(self.backlog)

    def batch_committed(self, batch: int) -> None:
        """See ``Gated``."""
        for channel in list(self.channels.values()):
            if channel.unconfirmed:
                channel.batch_committed(batch)
            if channel.failure is not None and not channel.unconfirmed:
                channel.fail(*channel.failure)
            elif channel.unconfirmed:
                self.gate.await_commit()

    def batch_failed(self, batch: int, error: StoreError) -> None:
        """See ``Gated``."""
        for channel in list(self.channels.values()):
            channel.batch_failed(batch, error.reason)
            if channel.unconfirmed:
                self.gate.await_commit()

    def go_on(self) -> None:
        """Take up what waited while the session was suspended."""
        if self.suspended:
            return
        # What waits has been heard: the client is not read from meanwhile.
        self._has_heard = True
        self.backlog.go_on(self)
        if not self.suspended:
            self.host.resume()

    def store_failing(self, error: StoreError) -> None:
        """Tell a client that asked to be told that publishing is blocked (RabbitMQ's connection.blocked)."""
        if self.wants_blocked and self.state == OPEN:
            self.send(method_frame(0, methods.ConnectionBlocked(reason=error.reason[:200])))

    def store_recovered(self) -> None:
        """And that it is not any more."""
        if self.wants_blocked and self.state == OPEN:
            self.send(method_frame(0, methods.ConnectionUnblocked()))

    # ------------------------------------------------------------------ errors and the end

    def close(self, code: int, detail: str, class_id: int = 0, method_id: int = 0) -> None:
        """connection.close from our side (§1.4.2.9); all that was held goes back."""
        if self.state in (CLOSING, CLOSED):
            return
        for channel in self.channels.values():
            channel.send_confirms()
        self.release()
        was_open = self.state >= AWAIT_TUNE_OK
        self.start_closing()
        text = reply_text(code, detail)
        if code == 320:
            self.journal.ended(text)
        else:
            self.journal.closed(text)
        self.send(
            method_frame(
                0,
                methods.ConnectionClose(reply_code=code, reply_text=text, class_id=class_id, method_id=method_id),
            )
        )
        if not was_open or self._parser.dead:
            # Nobody can be expected to answer, or to be understood.
            self.finish()

    def start_closing(self) -> None:
        """We send connection.close, and wait for close-ok."""
        self.state = CLOSING
        self.closing_since = self.broker.clock.monotonic()

    def users_changed(self, find: Callable[[str], User | None]) -> None:
        """Rights have changed: the user keeps his consumers, and is refused what he may not do any more."""
        if not AWAIT_TUNE_OK <= self.state <= OPEN:
            return
        user = find(self.user.name)
        if user is None:
            self.close(320, f"user '{self.user.name}' is deleted")
            return
        self.user = user
        if self.state == OPEN:
            self.operations.user = user

    def shutdown(self, reason: str) -> None:
        """The broker stops."""
        if self.state < OPEN:
            self.finish()
        else:
            self.close(320, reason)

    def finish(self) -> None:
        """Nothing more is said: what was sent is written, and the socket closed."""
        self.state = CLOSED
        self.finished = True
        self.host.wake()

    def set_frame_max(self, frame_max: int) -> None:
        """What was agreed on; until then a frame has at most 4096 bytes (§4.2.3)."""
        self._parser.frame_max = frame_max

    def release(self) -> None:
        """Give back everything that the connection holds."""
        self.broker.observers.pop(self, None)
        for channel in list(self.channels.values()):
            if not channel.is_closing:
                channel.release()
        self.channels.clear()
        self._confirming.clear()
        self._sharing.clear()
        if self.state >= OPEN:
            self.operations.release_owned()

    def connection_lost(self, *, in_order: bool = False) -> None:
        """The socket is gone; ``in_order``: what carried it was closed as it should."""
        if in_order:
            self.journal.left()
        else:
            self.journal.lost()
        try:
            if self.state not in (CLOSING, CLOSED):
                self.release()
        finally:
            self.state = CLOSED
            self.finished = True
            self.backlog.clear()
            self.gate.leave()

    @abstractmethod
    def come_apart(self) -> None:
        """See ``Gated``."""

    def tick(self, now: float) -> None:
        """Heartbeats both ways (§4.2.7), and an end to what does not move."""
        if self._has_heard:
            self._has_heard = False
            self._heard = now
        if self._said == 0.0:
            self._said = now
        if self.state < OPEN:
            if now - self._started >= self.settings.handshake_timeout and not self.finished:
                self.journal.closed("the handshake was not finished in time")
                self.finish()
        elif self.state == CLOSING:
            if now - self.closing_since >= self.settings.handshake_timeout:
                self.finish()
        elif self.heartbeat:
            if now - self._heard > 2 * self.heartbeat and not self.suspended:
                self.journal.closed(f"missed heartbeats, timeout: {self.heartbeat}s")
                self.release()
                self.finish()
            elif now - self._said >= self.heartbeat / 2:
                self._said = now
                self.send(HEARTBEAT_FRAME)
