"""Moves messages from one queue of a broker to another: got, sent on with a confirm, then settled.

Not in one commit: when it is interrupted between the confirm and the settlement, messages are in both queues.
"""

from __future__ import annotations

from pika import spec
from pika.channel import Channel
from pika.spec import BasicProperties

from batonmq.engines.amqp.content_headers import properties_from
from batonmq.engines.amqp.link import Link
from batonmq.engines.amqp.publisher import Publisher
from batonmq.engines.death_headers import without_death_headers
from batonmq.engines.futures import Future
from batonmq.engines.messages import Message, received_message
from batonmq.errors import BatonError

__all__ = ["Move"]

# Messages that are confirmed together.
SLICE = 100


class Move:
    """One slice of a replay; runs in the connection's thread."""

    def __init__(self, link: Link, publisher: Publisher, source: str, target: str, most: int) -> None:
        self.future: Future[int] = Future()
        self._link = link
        self._publisher = publisher
        self._source = source
        self._target = target
        self._left = min(most, SLICE)
        self._messages: list[Message] = []
        self._last_tag = 0
        self._channel: Channel

    def begin(self) -> None:
        """Open a channel and get the first message."""
        self._link.channel(self._opened, self._closed)

    def _opened(self, channel: Channel) -> None:
        self._channel = channel
        channel.add_callback(lambda _frame: self._send_on(), [spec.Basic.GetEmpty])
        self._get()

    def _get(self) -> None:
        self._channel.basic_get(self._source, self._got)

    def _got(self, _channel: object, method: spec.Basic.GetOk, properties: BasicProperties, body: bytes) -> None:
        self._messages.append(received_message(body, without_death_headers(properties_from(properties))))
        self._last_tag = method.delivery_tag
        self._left -= 1
        if self._left:
            self._get()
        else:
            self._send_on()

    def _send_on(self) -> None:
        if not self._messages:
            self._channel.close()
            self.future.resolve(0)
            return
        sent: Future[None] = Future()
        sent.when_done(lambda: self._sent(sent), owed=self.future)
        self._publisher.send_on(self._target, self._messages, sent)

    def _sent(self, sent: Future[None]) -> None:
        if sent.error is not None:
            # Closing the channel gives back what was got.
            self.future.fail(sent.error)
            if self._channel.is_open:
                self._channel.close()
            return
        self._channel.basic_ack(self._last_tag, multiple=True)
        self._channel.close()
        self.future.resolve(len(self._messages))

    def _closed(self, error: BatonError) -> None:
        self.future.fail(error)
