"""Sends with publisher confirms: a confirmed message is safe, a returned one has no queue."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from pika import spec
from pika.channel import Channel
from pika.frame import Method

from batonmq.engines.amqp.content_headers import WireProperties, properties_to, too_large
from batonmq.engines.amqp.failures import told_to_sender
from batonmq.engines.amqp.link import Link
from batonmq.engines.futures import Future
from batonmq.engines.messages import Message
from batonmq.errors import BatonError, NotFound, ResourceError

__all__ = ["Publisher"]


class Batch:
    """Messages that one future waits for."""

    __slots__ = ("error", "future", "largest", "left")

    def __init__(self, future: Future[None], messages: Sequence[Message]) -> None:
        self.future = future
        self.left = len(messages)
        self.largest = max(len(message.body) for message in messages)
        self.error: BatonError | None = None

    def one_done(self, error: BatonError | None) -> None:
        """One message was confirmed, or failed; the first error is reported."""
        self.left -= 1
        self.error = self.error or error
        if not self.left:
            if self.error is None:
                self.future.resolve(None)
            else:
                self.future.fail(self.error)


class _Outgoing(NamedTuple):
    """Messages to publish. ``mandatory``: their queue has to exist."""

    queue: str
    messages: Sequence[Message]
    wired: list[WireProperties]
    future: Future[None]
    mandatory: bool
    exchange: str = ""


class Publisher:
    """One channel in confirm mode. Everything but ``send`` runs in the connection's thread."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._channel: Channel | None = None
        self._is_opening = False
        self._number = 0
        # Unconfirmed messages: the batch, and the queue if it must exist.
        self._unconfirmed: dict[int, tuple[Batch, str]] = {}
        self._first = 1
        self._returned: Counter[str] = Counter()
        self._waiting: list[_Outgoing] = []

    def send(
        self, queue: str, messages: Sequence[Message], *, mandatory: bool = True, exchange: str = ""
    ) -> Future[None]:
        """Resolved when all are confirmed. ``queue``: the routing key, where ``exchange`` is not the default one."""
        future: Future[None] = Future()
        # In the API a message without a priority has 0. RabbitMQ's quorum queues would give it 4.
        says_priority = self._link.product.is_rabbitmq(4)

        def publish() -> None:
            wired = [properties_to(message, says_priority=says_priority) for message in messages]
            self._publish(_Outgoing(queue, messages, wired, future, mandatory, exchange))

        self._link.when_open(publish, future)
        return future

    def send_on(self, queue: str, messages: Sequence[Message], future: Future[None]) -> None:
        """Publish received messages unchanged, in the connection's thread; resolves the future at the last confirm."""
        self._publish(_Outgoing(queue, messages, [properties_to(message) for message in messages], future, True))

    def _publish(self, sent: _Outgoing) -> None:
        channel = self._channel
        if channel is None:
            self._waiting.append(sent)
            if not self._is_opening:
                self._is_opening = True
                self._link.channel(self._opened, self._closed)
            return
        if error := too_large(channel, sent.wired):
            sent.future.fail(error)
            return
        batch = Batch(sent.future, sent.messages)
        for message, properties in zip(sent.messages, sent.wired, strict=True):
            self._number += 1
            self._unconfirmed[self._number] = (batch, sent.queue if sent.mandatory else "")
            channel.basic_publish(sent.exchange, sent.queue, message.body, properties, mandatory=sent.mandatory)

    def _opened(self, channel: Channel) -> None:
        channel.add_on_return_callback(self._came_back)
        channel.confirm_delivery(self._confirmed, callback=lambda _frame: self._ready(channel))

    def _ready(self, channel: Channel) -> None:
        self._channel = channel
        self._is_opening = False
        self._number = 0
        self._first = 1
        waiting, self._waiting = self._waiting, []
        for sent in waiting:
            self._publish(sent)

    def _came_back(self, _channel: object, method: spec.Basic.Return, _properties: object, _body: object) -> None:
        # The confirm follows: a message that is routed nowhere is confirmed as well.
        self._returned[method.routing_key] += 1

    def _confirmed(self, frame: Method) -> None:
        method = frame.method
        tag = method.delivery_tag
        refused = ResourceError("the broker did not take the message") if method.NAME == "Basic.Nack" else None
        numbers = range(self._first, tag + 1) if method.multiple else (tag,)
        for number in numbers:
            entry = self._unconfirmed.pop(number, None)
            if entry is None:
                continue
            batch, queue = entry
            error: BatonError | None = refused
            if self._returned and self._returned[queue] > 0:
                self._returned[queue] -= 1
                error = NotFound(f"no queue '{queue}'")
            batch.one_done(error)
        if method.multiple:
            self._first = tag + 1

    def _closed(self, error: BatonError) -> None:
        """The channel is lost, alone or with its connection: unconfirmed messages may or may not have arrived."""
        self._channel = None
        self._is_opening = False
        self._returned.clear()
        unconfirmed, self._unconfirmed = self._unconfirmed, {}
        waiting, self._waiting = self._waiting, []
        for batch in {id(batch): batch for batch, _ in unconfirmed.values()}.values():
            batch.future.fail(told_to_sender(error, batch.largest))
        for sent in waiting:
            sent.future.fail(error)
