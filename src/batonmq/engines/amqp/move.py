"""Moves messages from one queue of a broker to another: gets them, sends them with confirms, then settles them.

This is not atomic: if it is interrupted between confirm and settlement, messages are in both queues.
"""

from __future__ import annotations

from pika import spec
from pika.channel import Channel
from pika.spec import BasicProperties

from batonmq.engines.amqp.content_headers import properties_from
from batonmq.engines.amqp.link import Link
from batonmq.engines.amqp.publisher import Publisher
from batonmq.engines.death_headers import origin_of, without_death_headers
from batonmq.engines.futures import Future
from batonmq.engines.messages import Message, received_message
from batonmq.errors import BatonError, NotFound

__all__ = ["Move"]

# Messages that are confirmed together.
SLICE = 100
# Messages without a target are held to the end of the slice; beyond this number the slice ends.
STAY_MOST = 1_000


class Move:
    """One slice of a replay; runs in the connection's thread."""

    def __init__(self, link: Link, publisher: Publisher, source: str, target: str | None, most: int) -> None:
        """``target``: the queue for all of them; None: each goes to where it died. What died nowhere stays."""
        self.future: Future[int] = Future()
        self._link = link
        self._publisher = publisher
        self._source = source
        self._target = target
        self._left = min(most, SLICE)
        # The messages for each queue, with their delivery tags. Closing the channel gives back the others.
        self._goes: dict[str, list[tuple[int, Message]]] = {}
        self._stays = 0
        self._moved = 0
        self._channel: Channel

    def begin(self) -> None:
        """Open a channel and get the first message."""
        self._link.channel(self._opened, self._closed)

    def _opened(self, channel: Channel) -> None:
        self._channel = channel
        channel.add_callback(lambda _frame: self._send_on(), [spec.Basic.GetEmpty])
        if self._left:
            self._get()
        else:
            channel.queue_declare(self._source, passive=True, callback=lambda _frame: self._send_on())

    def _get(self) -> None:
        self._channel.basic_get(self._source, self._got)

    def _got(self, _channel: object, method: spec.Basic.GetOk, properties: BasicProperties, body: bytes) -> None:
        came = properties_from(properties)
        target = self._target or origin_of(came.headers or {})
        if target is None or target == self._source:
            self._stays += 1
        else:
            message = received_message(body, without_death_headers(came))
            self._goes.setdefault(target, []).append((method.delivery_tag, message))
            self._left -= 1
        if self._left and self._stays < STAY_MOST:
            self._get()
        else:
            self._send_on()

    def _send_on(self) -> None:
        """Publish the messages for one of the queues; finish when no queue is left."""
        if not self._goes:
            if self._target is None or self._moved or self.future.done:
                self._end()
            else:
                # With nothing to be moved, no publish has told whether it is there.
                self._channel.queue_declare(self._target, passive=True, callback=lambda _frame: self._end())
            return
        target, those = self._goes.popitem()
        sent: Future[None] = Future()
        sent.when_done(lambda: self._sent(sent, those), owed=self.future)
        self._publisher.send_on(target, [message for _, message in those], sent)

    def _sent(self, sent: Future[None], those: list[tuple[int, Message]]) -> None:
        if sent.error is None:
            for tag, _ in those:
                self._channel.basic_ack(tag)
            self._moved += len(those)
        elif self._target is not None or not isinstance(sent.error, NotFound):
            self.future.fail(sent.error)
            self._goes.clear()
        self._send_on()

    def _end(self) -> None:
        # Closing the channel gives back the messages that stay.
        if self._channel.is_open:
            self._channel.close()
        self.future.resolve(self._moved)

    def _closed(self, error: BatonError) -> None:
        self.future.fail(error)
