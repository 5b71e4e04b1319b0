"""Requests and their replies: RabbitMQ's direct reply-to, which needs no queue for the reply."""

from __future__ import annotations

import secrets

from pika import spec
from pika.channel import Channel
from pika.spec import BasicProperties

from batonmq.engines.amqp.content_headers import WireProperties, properties_from, too_large
from batonmq.engines.amqp.failures import told_to_sender
from batonmq.engines.amqp.link import Link
from batonmq.engines.futures import Future
from batonmq.engines.messages import Message, delayed_properties, received_message
from batonmq.errors import BatonError, NotFound

__all__ = ["ReplyFuture", "Requester"]

REPLY_TO = "amq.rabbitmq.reply-to"


class ReplyFuture(Future[Message]):
    """Resolved with the reply, which is matched by its correlation id."""

    __slots__ = ("correlation_id", "requester", "size")

    def __init__(self, correlation_id: str, size: int, requester: Requester) -> None:
        """``size``: the bytes of the request's body; ``requester``: the channel that sent it."""
        super().__init__()
        self.correlation_id = correlation_id
        self.size = size
        self.requester = requester


class Requester:
    """The channel for requests and their replies: direct reply-to demands that it is the same."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._channel: Channel | None = None
        self._is_opening = False
        self._waiting: list[tuple[str, str, Message, ReplyFuture]] = []
        self._asked: dict[str, ReplyFuture] = {}

    def request(self, queue: str, message: Message, exchange: str = "") -> Future[Message]:
        """Send a request; the future is resolved with the reply."""
        # Our own id: replies must be told apart even if the application reuses ids.
        future = ReplyFuture(secrets.token_hex(12), len(message.body), self)
        self._link.when_open(lambda: self._publish(exchange, queue, message, future), future)
        return future

    def forget(self, future: ReplyFuture) -> None:
        """Forget a request: nobody waits for its reply any more."""
        self._link.call(lambda: self._drop(future.correlation_id))

    def _drop(self, correlation_id: str) -> None:
        self._asked.pop(correlation_id, None)

    def _publish(self, exchange: str, queue: str, message: Message, future: ReplyFuture) -> None:
        channel = self._channel
        if channel is None:
            self._waiting.append((exchange, queue, message, future))
            if not self._is_opening:
                self._is_opening = True
                self._link.channel(self._opened, self._closed)
            return
        # 0 if there is none: RabbitMQ's quorum queues would give it 4.
        priority = message.priority if self._link.product.is_rabbitmq(4) else message.priority or None
        ours = delayed_properties(message).replace(
            reply_to=REPLY_TO, correlation_id=future.correlation_id, priority=priority
        )
        wired = WireProperties(ours)
        if error := too_large(channel, [wired]):
            future.fail(error)
            return
        self._asked[future.correlation_id] = future
        channel.basic_publish(exchange, queue, message.body, wired, mandatory=True)

    def _opened(self, channel: Channel) -> None:
        channel.add_on_return_callback(self._came_back)
        channel.basic_consume(REPLY_TO, self._replied, auto_ack=True, callback=lambda _frame: self._ready(channel))

    def _ready(self, channel: Channel) -> None:
        self._channel = channel
        self._is_opening = False
        waiting, self._waiting = self._waiting, []
        for exchange, queue, message, future in waiting:
            self._publish(exchange, queue, message, future)

    def _replied(self, _channel: object, _method: object, properties: BasicProperties, body: bytes) -> None:
        ours = properties_from(properties)
        future = self._asked.pop(ours.correlation_id or "", None)
        if future is not None:
            future.resolve(received_message(body, ours))

    def _came_back(
        self, _channel: object, method: spec.Basic.Return, properties: BasicProperties, _body: object
    ) -> None:
        future = self._asked.pop(properties_from(properties).correlation_id or "", None)
        if future is not None:
            future.fail(NotFound(f"no queue '{method.routing_key}'"))

    def _closed(self, error: BatonError) -> None:
        self._channel = None
        self._is_opening = False
        asked, self._asked = self._asked, {}
        waiting, self._waiting = self._waiting, []
        for future in asked.values():
            future.fail(told_to_sender(error, future.size))
        for *_, future in waiting:
            future.fail(error)
