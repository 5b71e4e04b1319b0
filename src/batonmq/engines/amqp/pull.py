"""Takes messages from a queue of a broker one by one, with basic.get (AMQP 0-9-1, section 1.8.3.10).

No message is sent unless it is asked for, so none goes back unseen. Each costs a round trip. When the connection is
lost, so are the held messages, and nothing more comes.
"""

from __future__ import annotations

from pika import spec
from pika.channel import Channel
from pika.spec import BasicProperties

from batonmq.engines.amqp.content_headers import properties_from
from batonmq.engines.amqp.delivery_counts import earlier_deliveries
from batonmq.engines.amqp.link import GOODBYE, Link
from batonmq.engines.amqp.management_requests import request_settlement
from batonmq.engines.amqp.streams import unless_stream
from batonmq.engines.amqp.tx_channel import Acceptor
from batonmq.engines.futures import Future, resolved
from batonmq.engines.interface import How, Subscription
from batonmq.engines.leases import lost, lost_by_transaction
from batonmq.engines.messages import received_message
from batonmq.engines.values import Incoming
from batonmq.errors import BatonError, Closed, NotFound

__all__ = ["AmqpPull"]


class AmqpPull(Subscription, Acceptor):
    """A channel on which one message is asked for at a time."""

    def __init__(self, link: Link, queue: str) -> None:
        self.subscribed: Future[Subscription] = Future()
        self._link = link
        self._queue = queue
        self._channel: Channel | None = None
        self._asked: Future[list[Incoming]] | None = None
        # The reason why nothing more comes.
        self._error: BatonError | None = None

    # ------------------------------------------------------------------ from any thread

    def begin(self) -> None:
        """Open the channel, and check that the queue exists; ``subscribed`` gets the outcome."""
        self._link.when_open(
            lambda: unless_stream(self._link, self._queue, self._open, self.subscribed), self.subscribed
        )

    def receive(self, most: int) -> Future[list[Incoming]]:
        """One message, however many are requested, or an empty list if none is ready."""
        future: Future[list[Incoming]] = Future()
        self._link.call(lambda: self._get(future))
        return future

    def withdraw(self, future: Future[list[Incoming]]) -> None:
        """Do nothing: a request is answered soon in any case."""

    def settle(self, incoming: Incoming, how: How, reason: str = "", delay: float | None = None) -> None:
        tag = incoming.handle
        assert isinstance(tag, int)
        if self._error is not None:
            raise lost()
        self._link.call(lambda: self._settle(tag, how, reason, delay))

    def renew(self, incoming: Incoming, seconds: float) -> Future[None]:
        # Without a lease it is held as long as needed.
        return resolved(None)

    def close(self) -> Future[None]:
        closed: Future[None] = Future()
        try:
            self._link.call(lambda: self._leave(closed))
        except Closed:
            return resolved(None)
        return closed

    # ------------------------------------------------------------------ in the connection's thread

    def _open(self) -> None:
        self._link.channel(self._opened, self._closed)

    def _opened(self, channel: Channel) -> None:
        self._channel = channel
        # When the channel closes, the broker gives back the held messages (section 1.7.2.6).
        channel.queue_declare(self._queue, passive=True, callback=lambda _frame: self.subscribed.resolve(self))
        channel.add_callback(self._is_empty, [spec.Basic.GetEmpty], one_shot=False)

    def _closed(self, error: BatonError) -> None:
        self._channel = None
        self._error = error
        self.subscribed.fail(error)
        self._answer(error)

    def _get(self, future: Future[list[Incoming]]) -> None:
        if self._channel is None or self._asked is not None:
            future.fail(self._error or NotFound("there is a request under way"))
            return
        self._asked = future
        self._channel.basic_get(self._queue, self._got)

    def _got(self, _channel: object, method: spec.Basic.GetOk, properties: BasicProperties, body: bytes) -> None:
        message = received_message(body, properties_from(properties))
        redelivered = bool(method.redelivered)
        earlier = earlier_deliveries(message, redelivered=redelivered, counts_anew=False)
        # A fetched message has no delivery count: queues send it only to consumers.
        count = max(earlier.deliveries + 1, 2 if redelivered else 1)
        self._answer([Incoming(message, count, redelivered, method.delivery_tag, is_counted=earlier.is_counted)])

    def _is_empty(self, _frame: object) -> None:
        self._answer([])

    def _answer(self, answer: list[Incoming] | BatonError) -> None:
        asked, self._asked = self._asked, None
        if asked is None:
            return
        if isinstance(answer, BatonError):
            asked.fail(answer)
        else:
            asked.resolve(answer)

    def _settle(self, tag: int, how: How, reason: str, delay: float | None) -> None:
        if self._channel is None:
            return
        if reason or delay is not None:
            request_settlement(self._channel, tag, how, reason, delay)
        elif how == "accept":
            self._channel.basic_ack(tag)
        else:
            self._channel.basic_reject(tag, requeue=how == "release")
        self._settled_on(self._channel)

    def delivery(self, incoming: Incoming) -> tuple[Channel, int]:
        if self._channel is None or not self._channel.is_open:
            raise lost_by_transaction()
        assert isinstance(incoming.handle, int)
        return self._channel, incoming.handle

    def accepted(self, incoming: Incoming) -> None:
        """Do nothing: no fetched messages are kept here."""

    def _leave(self, closed: Future[None]) -> None:
        channel = self._channel
        if channel is None or not channel.is_open:
            closed.resolve(None)
            return
        channel.add_on_close_callback(lambda _channel, _reason: closed.resolve(None))
        # If the broker does not answer, it gives back held messages when the connection ends.
        self._link.later(GOODBYE, lambda: closed.resolve(None))
        channel.close()
