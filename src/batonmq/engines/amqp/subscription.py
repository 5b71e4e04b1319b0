"""Takes messages from a queue of a broker, on a channel of its own, which keeps its prefetch and errors separate.

Up to ``prefetch`` messages are sent ahead of requests; with a lease they are renewed meanwhile, so that a receiver
always gets the full lease. After a lost connection it consumes again on the next one; held messages went back to the
queue with the old one, and settling them raises LeaseLost.
"""

from __future__ import annotations

import contextlib
import threading
import time

from pika import spec
from pika.channel import Channel
from pika.spec import BasicProperties

from batonmq.engines.amqp.content_headers import properties_from
from batonmq.engines.amqp.delivery_counts import earlier_deliveries
from batonmq.engines.amqp.failures import was_held_too_long
from batonmq.engines.amqp.link import GOODBYE, Link
from batonmq.engines.amqp.management_requests import (
    EXCHANGE,
    renewal,
    report,
    request_renewal,
    request_return,
    request_settlement,
    was_refused,
)
from batonmq.engines.amqp.requests import Requester
from batonmq.engines.amqp.streams import CONSUMER_ARGUMENTS, refused_by_stream
from batonmq.engines.amqp.tx_channel import Acceptor
from batonmq.engines.futures import Future, resolved
from batonmq.engines.interface import How, Subscription
from batonmq.engines.lease_keeper import LeaseKeeper
from batonmq.engines.leases import lost, lost_by_transaction, lost_with
from batonmq.engines.messages import Message, received_message
from batonmq.engines.prefetched import Handle, Prefetched
from batonmq.engines.values import Incoming
from batonmq.errors import AccessRefused, BatonError, BrokerError, Closed, ConnectionLost, NotFound

__all__ = ["AmqpSubscription"]

# The reply code for who needs more than there is (AMQP 0-9-1, 1.2).
RESOURCE_ERROR = 506
PREFETCH_MAX = 65_535
# How many messages beyond twice its prefetch a broker may send unasked: those that it took back when their lease ended
# wait here until the lease keeper notices.
LATE_MAX = 100


class AmqpSubscription(Subscription, Acceptor):
    """A consumer on a channel of its own, and on a new channel after a reconnect."""

    def __init__(self, link: Link, asker: Requester, queue: str, prefetch: int, lease: float | None = None) -> None:
        self.subscribed: Future[Subscription] = Future()
        self._link = link
        self._asker = asker
        self._lease = lease
        self._queue = queue
        self._prefetch = min(prefetch, PREFETCH_MAX)
        self._messages = Prefetched(lease)
        self._most_waiting = 2 * self._prefetch + LATE_MAX
        self._channel: Channel | None = None
        # Delivery tags start over on each channel: the generation identifies the channel.
        self._generation = 0
        self._tag = ""
        self._was_cancelled = False
        self._may_report = True
        self._keeper = (
            LeaseKeeper(
                lease,
                self._messages,
                self._link.later,
                self._renew,
                lambda handle: self._settle(handle, "release", "", None),
                lambda generation: generation == self._generation,
            )
            if lease is not None
            else None
        )
        self._closing: Future[None] | None = None
        self._closing_lock = threading.Lock()

    # ------------------------------------------------------------------ from any thread

    def begin(self) -> None:
        """Subscribe; ``subscribed`` gets the outcome."""
        self._link.when_open(self._begin, self.subscribed)

    def receive(self, most: int) -> Future[list[Incoming]]:
        self._link.require_open()
        request = self._messages.ask(most)
        self._serve()
        return request

    def withdraw(self, future: Future[list[Incoming]]) -> None:
        self._messages.withdraw(future)

    def settle(self, incoming: Incoming, how: How, reason: str = "", delay: float | None = None) -> None:
        handle = incoming.handle
        assert isinstance(handle, tuple)
        self._require_link()
        until = self._messages.take(handle)
        is_late = until < time.monotonic()
        if until:
            try:
                # Settling a message that is late only makes room.
                settlement = ("release", "", None) if is_late else (how, reason, delay)
                self._link.call(lambda: self._settle(handle, *settlement))
            except Closed as error:
                raise lost_with(error) from None
        if is_late:
            raise lost()

    def _require_link(self) -> None:
        """Raises LeaseLost."""
        try:
            self._link.require_open()
        except Closed as error:
            raise lost_with(error) from None

    def _settle(self, handle: Handle, how: How, reason: str, delay: float | None) -> None:
        channel = self._current(handle)
        if channel is None:
            return
        tag = handle[1]
        if reason or delay is not None:
            request_settlement(channel, tag, how, reason, delay)
        elif how == "accept":
            channel.basic_ack(tag)
        else:
            # Not basic.nack, which quorum queues of RabbitMQ 4.3 do not count.
            channel.basic_reject(tag, requeue=how == "release")
        self._settled_on(channel)

    def delivery(self, incoming: Incoming) -> tuple[Channel, int]:
        handle = incoming.handle
        assert isinstance(handle, tuple)
        channel = self._current(handle)
        if channel is None or not self._messages.holds(handle):
            raise lost_by_transaction()
        return channel, handle[1]

    def accepted(self, incoming: Incoming) -> None:
        assert isinstance(incoming.handle, tuple)
        self._messages.take(incoming.handle)

    def renew(self, incoming: Incoming, seconds: float) -> Future[None]:
        handle = incoming.handle
        assert isinstance(handle, tuple)
        self._require_link()
        until = time.monotonic() + seconds
        if not self._messages.holds(handle):
            raise lost()
        future: Future[None] = Future()

        def ask() -> None:
            channel = self._current(handle)
            if channel is None:
                future.fail(lost())
                return
            asked = Message(renewal(channel, handle[1], seconds), durable=False)
            answer = self._asker.request("", asked, EXCHANGE)
            answer.when_done(lambda: answered(answer), owed=future)

        def answered(answer: Future[Message]) -> None:
            if answer.failed or was_refused(answer.result()):
                # Also after a lost connection: the message went back with it.
                future.fail(lost())
                return
            self._messages.prolong(handle, until)
            future.resolve(None)

        try:
            self._link.call(ask)
        except Closed as error:
            raise lost_with(error) from None
        return future

    def report(self, incoming: Incoming, fraction: float, note: str) -> None:
        handle = incoming.handle
        assert isinstance(handle, tuple)

        def tell() -> None:
            channel = self._current(handle)
            if channel is not None:
                # Not on this channel: a refusal closes the channel, and would cost the messages held on it.
                asked = Message(report(channel, handle[1], fraction, note), durable=False)
                answer = self._asker.request("", asked, EXCHANGE)
                answer.when_done(lambda: self._reported(answer))

        if self._may_report:
            with contextlib.suppress(Closed):
                self._link.call(tell)

    def _reported(self, answer: Future[Message]) -> None:
        # The broker would refuse again, and close the channel each time.
        self._may_report = not isinstance(answer.error, AccessRefused)

    def _current(self, handle: Handle) -> Channel | None:
        """The channel that it was delivered on, if that is still the one."""
        channel = self._channel
        return channel if handle[0] == self._generation and channel is not None and channel.is_open else None

    def close(self) -> Future[None]:
        try:
            self._link.require_open()
        except Closed:
            return resolved(None)
        with self._closing_lock:
            if self._closing is not None:
                return self._closing
            self._closing = Future()
        unseen = self._messages.end(Closed("the receiver was closed"), quietly=True)
        try:
            self._link.call(lambda: self._leave(unseen))
        except Closed:
            return resolved(None)
        return self._closing

    # ------------------------------------------------------------------ in the connection's thread

    def _begin(self) -> None:
        self._link.attach(self)
        self.link_opened()

    def link_opened(self) -> None:
        self._generation += 1
        generation = self._generation
        self._link.channel(
            lambda channel: self._opened(channel, generation), lambda error: self._closed(error, generation)
        )

    def link_lost(self, error: BatonError) -> None:
        self._forget_channel()
        self.subscribed.fail(error)
        self._left()

    def link_given_up(self, error: BatonError) -> None:
        self.subscribed.fail(error)
        self._messages.end(error)
        self._left()

    def _opened(self, channel: Channel, generation: int) -> None:
        if generation != self._generation:
            # The receiver has been closed meanwhile.
            channel.close()
            return
        self._channel = channel
        channel.add_on_cancel_callback(lambda _frame: self._cancelled(channel, generation))
        channel.basic_qos(prefetch_count=self._prefetch)
        arguments: dict[str, object] = {}
        if self._link.product.is_ours:
            # BatonMQ's queues send the count on request; other brokers do not know the argument.
            arguments["x-delivery-count"] = True
        elif self._link.product.is_rabbitmq():
            arguments.update(CONSUMER_ARGUMENTS)
        if self._lease is not None:
            arguments["x-consumer-timeout"] = max(1, round(self._lease * 1000))
        if self._keeper is not None:
            self._keeper.begin(generation)
        self._tag = channel.basic_consume(
            self._queue,
            lambda _channel, method, properties, body: self._deliver(generation, method, properties, body),
            callback=lambda _frame: self.subscribed.resolve(self),
            arguments=arguments,
        )

    def _deliver(self, generation: int, method: spec.Basic.Deliver, properties: BasicProperties, body: bytes) -> None:
        if generation != self._generation:
            return
        handle = (generation, method.delivery_tag)
        message = received_message(body, properties_from(properties))
        redelivered, is_ours = bool(method.redelivered), self._link.product.is_ours
        earlier = earlier_deliveries(message, redelivered=redelivered, counts_anew=is_ours)
        count, is_counted = earlier.deliveries + 1, earlier.is_counted
        if is_ours and is_counted:
            redelivered = count > 1
        origin = method.exchange, method.routing_key
        arrived = Incoming(message, count, redelivered, handle, is_counted=is_counted, origin=origin)
        waiting = self._messages.add(arrived)
        self._serve()
        if waiting > self._most_waiting and len(self._messages.unseen()) > self._most_waiting:
            self._end_flood()

    def _end_flood(self) -> None:
        """End the receiver: the broker keeps sending beyond the prefetch count (AMQP 0-9-1, 1.7.2.1)."""
        channel = self._channel
        error = BrokerError(f"the broker sent more messages of queue '{self._queue}' than the prefetch allows")
        self._forget_channel()
        self._link.detach(self)
        self.subscribed.fail(error)
        self._messages.end(error)
        self._left()
        if channel is not None and channel.is_open:
            channel.close(RESOURCE_ERROR, "more messages came than the prefetch allows")

    def _serve(self) -> None:
        """Give arrived messages to waiting requests, in order."""
        while (found := self._messages.next()) is not None:
            request, batch = found
            if self._keeper is not None:
                self._keeper.renew_all(batch)
            request.resolve(batch)

    # ------------------------------------------------------------------ the lease

    def _renew(self, handles: list[Handle]) -> None:
        """Renew leases from now on. From any thread."""
        lease = self._lease
        assert lease is not None

        def renew() -> None:
            for handle in handles:
                channel = self._current(handle)
                if channel is not None:
                    request_renewal(channel, handle[1], lease)

        with contextlib.suppress(Closed):
            self._link.call(renew)

    def _cancelled(self, channel: Channel, generation: int) -> None:
        """The broker ends the consumer, not the channel: the queue was deleted, or something was held for too long.

        In RabbitMQ 4.3 the latter does not close the channel (consumer_timeout). Consuming again shows which it was.
        """
        if generation != self._generation:
            return
        self._was_cancelled = True
        self._forget_channel()
        channel.close()
        self.link_opened()

    def _closed(self, error: BatonError, generation: int) -> None:
        """The channel is lost: with its connection, which the link reports, or alone, for a reason of the broker's."""
        if generation != self._generation:
            return
        was_committing = self._tx is not None and self._tx.is_committing
        self._forget_channel()
        if self._closing is not None:
            self._left()
        elif was_held_too_long(error) or (was_committing and not isinstance(error, ConnectionLost)):
            # A refused transaction closes the channel, but not the receiver.
            self.link_opened()
        elif not isinstance(error, ConnectionLost):
            if self._was_cancelled and isinstance(error, NotFound):
                error = NotFound(f"queue '{self._queue}' was deleted")
            self._link.detach(self)
            error = refused_by_stream(error, self._queue)
            self.subscribed.fail(error)
            self._messages.end(error)

    def _left(self) -> None:
        """Finish closing, if the receiver is being closed."""
        if self._closing is not None:
            self._link.detach(self)
            self._closing.resolve(None)

    def _forget_channel(self) -> None:
        self._channel = self._tx = None
        self._generation += 1
        self._messages.clear()

    def _return_unseen(self, channel: Channel, unseen: list[Incoming]) -> None:
        """Give back unrequested messages without counting, with those that came after the receiver was closed."""
        tags = [one.handle[1] for one in (*unseen, *self._messages.unseen()) if isinstance(one.handle, tuple)]
        if tags:
            # Nobody asked for later messages either.
            request_return(channel, min(tags), max(tags))

    def _leave(self, unseen: list[Incoming]) -> None:
        """Cancel, give back, close: in this order, so that released messages do not come here again."""
        channel = self._channel
        if channel is None or not channel.is_open:
            # A channel that is being opened is not wanted any more.
            self._generation += 1
            self._left()
            return

        def give_back(_frame: object) -> None:
            if self._link.product.is_ours:
                self._return_unseen(channel, unseen)
            # Tag 0 and multiple: everything that is unsettled (AMQP 0-9-1, 1.8.3.13).
            channel.basic_nack(0, multiple=True, requeue=True)
            channel.close()

        # If the broker does not answer, it gives the messages back when the connection ends.
        self._link.later(GOODBYE, self._left)
        if self._tag:
            channel.basic_cancel(self._tag, callback=give_back)
        else:
            give_back(None)
