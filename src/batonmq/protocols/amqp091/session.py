"""The server's side of one AMQP 0-9-1 connection: what comes in, and its channels.

    AWAIT_HEADER -> AWAIT_START_OK -> AUTHENTICATING -> AWAIT_TUNE_OK -> AWAIT_OPEN -> OPEN -> CLOSING -> CLOSED

Bytes become events in ``FrameParser``; here they become operations. What goes out is in ``SpeakingSession``.
"""

from __future__ import annotations

import logging
import secrets
from typing import TYPE_CHECKING

from batonmq.broker import Route
from batonmq.errors import BrokerError, NotAllowed, StoreError
from batonmq.protocols.amqp091 import methods
from batonmq.protocols.amqp091.channel import Channel
from batonmq.protocols.amqp091.constants import ACK, CONTENT, ERROR, METHOD, PUBLISH
from batonmq.protocols.amqp091.encoder import method_frame
from batonmq.protocols.amqp091.failures import ProtocolFailure, as_failure
from batonmq.protocols.amqp091.handshake import Handshake
from batonmq.protocols.amqp091.speaking import Host, SpeakingSession
from batonmq.protocols.amqp091.states import AWAIT_HEADER, CLOSED, CLOSING, OPEN
from batonmq.protocols.sessions.backlog import OUTPUT_MAX, QUICK

if TYPE_CHECKING:
    from batonmq.broker import Broker, Share
    from batonmq.message import QueuedMessage
    from batonmq.protocols.amqp091.parser import Event
    from batonmq.protocols.amqp091.settings import AmqpSettings

__all__ = ["AmqpSession", "Host"]

log = logging.getLogger("batonmq.amqp")


class AmqpSession(SpeakingSession):
    """See the module."""

    def __init__(self, broker: Broker, host: Host, settings: AmqpSettings | None = None) -> None:
        super().__init__(broker, host, settings)
        self._handshake = Handshake(self)

    # ------------------------------------------------------------------ bytes in

    def receive(self, data: bytes) -> None:
        """Bytes from the client, in any pieces."""
        self._has_heard = True
        if self.state == AWAIT_HEADER:
            data = self._handshake.receive_header(data)
            if not data:
                return
        if self.state == CLOSED:
            return
        self.backlog.take(self, self._parser.feed(data))

    def process(self, events: list[Event], share: Share) -> int:
        """Do what these ask for; what is wrong with one closes its channel, or the connection. See ``Working``."""
        channels = self.channels
        at = 0
        end = len(events)
        quick = QUICK
        while at < end:
            event = events[at]
            try:
                if event[0] == PUBLISH:
                    at = self._take_publishes(events, at)
                elif event[0] == ACK:
                    channel = channels.get(event[1])
                    if channel is None:
                        self._unexpected()
                    elif not channel.is_closing and channel.failure is None:
                        channel.ack(event[2], event[3])
                elif event[0] == METHOD:
                    self.receive_method(event[1], event[2])
                else:
                    self._take_other(event)
            except ProtocolFailure as failure:
                self._fail(event, failure)
            except BrokerError as error:
                self._fail(event, as_failure(error))
            except StoreError as error:
                self._fail(event, ProtocolFailure(506, error.reason))
            except Exception:
                log.exception("%s: a fault of the broker's own ended the connection", self.host.peer)
                self.close(541, "a fault of the broker's own; see its log")
            at += 1
            if self.suspended or self.unsent >= OUTPUT_MAX:
                break
            quick -= 1
            if not quick or event[0] == METHOD:
                if share.is_used():
                    break
                quick = QUICK
        if at and (last := events[at - 1])[0] == PUBLISH:
            self._last_route = last[2].route
        if self.broker.store.has_work():
            self.host.wake()
        return at

    def is_ahead(self) -> bool:
        """See ``Pace``: judged by the queue of the last publish, as most clients publish to one at a time."""
        route = self._last_route
        self._last_route = None
        return isinstance(route, Route) and route.queue is not None and route.queue.flow_control.is_behind()

    def _take_publishes(self, events: list[Event], at: int) -> int:
        """A run of publishes, or one; returns the place of the last. Raises ProtocolFailure, BrokerError."""
        event = events[at]
        if event[0] != PUBLISH:
            return at
        channel = self.channels.get(event[1])
        if channel is None:
            self._unexpected()
        elif not channel.is_closing and channel.failure is None:
            after = channel.publish_run(events, at)
            if after > at:
                return after - 1
            _, _, method, properties, payload, start, size, framed_on = event
            channel.publish(method, properties, payload, start, size, framed_on)
        return at

    def _take_other(self, event: Event) -> None:
        """Faults that the parser found; heartbeats have done their work by coming."""
        if event[0] == ERROR:
            _, number, code, text, class_id, method_id, hard = event
            channel = self.channels.get(number)
            if hard or channel is None:
                self.close(code, text, class_id, method_id)
            else:
                channel.fail(ProtocolFailure(code, text), class_id, method_id)
        elif event[0] == CONTENT:
            raise ProtocolFailure(503, f"{event[2].NAME} is not a client's to send")

    def _fail(self, event: Event, failure: ProtocolFailure) -> None:
        class_id, method_id = _indices(event)
        number = event[1]
        channel = self.channels.get(number)
        if failure.is_hard or channel is None:
            self.close(failure.code, failure.detail, class_id, method_id)
        else:
            channel.fail(failure, class_id, method_id)

    def _unexpected(self) -> None:
        """A publish or an acknowledgement on a channel that is not open."""
        if self.state == OPEN:
            raise ProtocolFailure(504, "expected 'channel.open'")
        if self.state < OPEN:
            raise ProtocolFailure(503, "unexpected method before connection.open")

    def receive_method(self, number: int, method: methods.Method) -> None:
        """A method on a channel, or on the connection (channel 0). Raises ProtocolFailure, BrokerError."""
        if self.state in (CLOSING, CLOSED):
            # After our close only its answer counts, or a close that crossed ours (§1.4.2.9).
            if isinstance(method, methods.ConnectionCloseOk):
                self.finish()
            elif isinstance(method, methods.ConnectionClose):
                self.send(method_frame(0, methods.ConnectionCloseOk()))
            return
        if number == 0:
            self._handshake.receive_connection_method(method)
            return
        if self.state != OPEN:
            raise ProtocolFailure(503, "unexpected method before connection.open")
        channel = self.channels.get(number)
        if isinstance(method, methods.ChannelOpen):
            self._open_channel(number, channel)
        elif channel is None:
            self._without_channel(method)
        elif isinstance(method, methods.ChannelClose):
            self._close_channel(channel)
        elif isinstance(method, methods.ChannelCloseOk):
            if channel.is_closing:
                del self.channels[number]
        elif not channel.is_closing and channel.failure is None:
            channel.handle(method)

    def come_apart(self) -> None:
        """See ``Gated``."""
        for part in ("_handshake", "operations"):
            vars(self).pop(part, None)

    # ------------------------------------------------------------------ channels

    def find_delivery(self, number: int, tag: int) -> QueuedMessage | None:
        """What is held on a channel under that delivery tag."""
        channel = self.channels.get(number)
        return channel.unsettled.get(tag) if channel is not None else None

    def take_delivery(self, number: int, tag: int) -> QueuedMessage | None:
        """The same, no longer held; its consumer may have another."""
        channel = self.channels.get(number)
        queued = channel.unsettled.pop(tag, None) if channel is not None else None
        if channel is not None and queued is not None:
            channel.give_credit([(tag, queued)])
        return queued

    def _open_channel(self, number: int, channel: Channel | None) -> None:
        if channel is not None:
            raise ProtocolFailure(504, "second 'channel.open' seen")
        if len(self.channels) >= self.channel_max:
            raise NotAllowed(
                f"number of channels opened ({len(self.channels)}) has reached the negotiated channel_max"
                f" ({self.channel_max})"
            )
        self.channels[number] = Channel(self, number)
        self.send(method_frame(number, methods.ChannelOpenOk()))

    def _without_channel(self, method: methods.Method) -> None:
        # Its answer to a close of ours may cross a close of its own.
        if not isinstance(method, methods.ChannelCloseOk):
            raise ProtocolFailure(504, "expected 'channel.open'")

    def _close_channel(self, channel: Channel) -> None:
        if not channel.is_closing:
            channel.release()
        self._confirming.pop(channel, None)
        del self.channels[channel.number]
        self.send(method_frame(channel.number, methods.ChannelCloseOk()))

    def new_consumer_tag(self) -> str:
        """A consumer tag for a client that leaves it to us."""
        return "amq.ctag-" + secrets.token_urlsafe(16)


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
