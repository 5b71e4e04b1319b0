"""The engine over AMQP 0-9-1."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from pika.channel import Channel
from pika.frame import Method

from batonmq.engines import questions
from batonmq.engines.amqp.link import Link
from batonmq.engines.amqp.management_requests import EXCHANGE
from batonmq.engines.amqp.move import Move
from batonmq.engines.amqp.product import Product
from batonmq.engines.amqp.publisher import Publisher
from batonmq.engines.amqp.pull import AmqpPull
from batonmq.engines.amqp.requests import ReplyFuture, Requester
from batonmq.engines.amqp.streams import unless_stream
from batonmq.engines.amqp.subscription import AmqpSubscription
from batonmq.engines.amqp.topology import Topology
from batonmq.engines.amqp.transactions import Transactor
from batonmq.engines.amqp.tx_channel import Acceptor
from batonmq.engines.amqp.wire import Dial
from batonmq.engines.figures import QueueInfo, QueueStats
from batonmq.engines.futures import Future
from batonmq.engines.interface import Engine, Subscription
from batonmq.engines.messages import Message
from batonmq.engines.rabbitmq_queues import arguments_of
from batonmq.engines.steps import run_steps
from batonmq.engines.values import Capabilities, Fate, Incoming, QueueOptions
from batonmq.errors import BatonError
from batonmq.fields import FieldValue

__all__ = ["AmqpEngine", "capabilities_of"]

T = TypeVar("T")

CAPABILITIES = Capabilities(
    engine="amqp",
    durable=True,
    ttl=True,
    priority=True,
    dead_letter=True,
    max_length=True,
    expires=True,
    single_consumer=True,
    request=True,
    count=True,
    purge=True,
    replay=True,
    replay_home=True,
    stats=True,
    until_empty=True,
)
# The brokers known to honor x-delivery-limit.
COUNTING = frozenset({"BatonMQ", "RabbitMQ", "LavinMQ"})


def capabilities_of(product: Product) -> Capabilities:
    """What a broker's queues can do, judged by its product and version."""
    is_ours = product.is_ours
    return replace(
        CAPABILITIES,
        delay=is_ours,
        group=is_ours,
        lease=is_ours,
        release_delay=is_ours,
        retry_delay=is_ours or product.is_rabbitmq(4, 3),
        deduplication=is_ours,
        reject_reason=is_ours,
        schedule=is_ours,
        progress=is_ours,
        delivery_count=is_ours,
        max_deliveries=product.name in COUNTING,
        peek=is_ours,
        transactions=is_ours or product.is_rabbitmq(),
        queues=is_ours,
        atomic_replay=is_ours,
    )


class AmqpEngine(Engine):
    """Queues of a broker. ``native`` is pika's connection; use it only through ``add_callback_threadsafe``."""

    def __init__(
        self,
        url: str,
        context: ssl.SSLContext | None = None,
        patience: float | None = None,
        dial: Dial | None = None,
    ) -> None:
        """``patience``: how many seconds the broker has to answer when connecting and closing.

        ``dial`` opens the socket of each connection, if it does not go to the URL's host.

        Raises ConnectionLost, AccessRefused, ValueError.
        """
        self._link = Link(url, context, patience, dial)
        self._link.open()
        self.system = self._link.product.name.lower() or "amqp"
        self.capabilities = capabilities_of(self._link.product)
        self._publisher = Publisher(self._link)
        self._requester = Requester(self._link)
        # Management requests have a channel of their own: a refusal costs that one only, with no other requests on it.
        self._asker = Requester(self._link)
        self._transactor = Transactor(self._link, self._look_for)
        self.topology = Topology(self._ask, self._publisher, self._link.product)
        """Exchanges and bindings, and queues with any arguments."""
        # Only of queues declared here: AMQP 0-9-1 cannot ask about others.
        self._fates: dict[str, Fate] = {}

    @property
    def native(self) -> object:
        self._link.require_open()
        return self._link.connection

    def declare(self, queue: str, options: QueueOptions) -> Future[None]:
        dead_letter = options.dead_letter
        if dead_letter is None:
            return self._declare(queue, options)
        future: Future[None] = Future()
        dead = self._declare_if_missing(dead_letter, durable=options.durable)

        def then() -> None:
            if dead.error is not None:
                future.fail(dead.error)
                return
            declared = self._declare(queue, options)

            def pass_on() -> None:
                if declared.error is None:
                    future.resolve(None)
                elif dead.result():
                    # Its dead letter queue was created for nothing; delete it unless somebody uses it already.
                    gone = self._delete(dead_letter, if_unused=True, if_empty=True)
                    gone.when_done(fail, owed=future)
                else:
                    fail()

            def fail() -> None:
                assert declared.error is not None
                future.fail(declared.error)

            declared.when_done(pass_on, owed=future)

        dead.when_done(then, owed=future)
        return future

    def _declare(self, queue: str, options: QueueOptions) -> Future[None]:
        future: Future[None] = Future()

        def declare(channel: Channel) -> None:
            arguments = self._arguments(options)

            def declared(_frame: object) -> None:
                self._fates[queue] = options.fate
                _finish(channel, future, None)

            channel.queue_declare(queue, durable=options.durable, arguments=arguments, callback=declared)

        self._ask(declare, future)
        return future

    def check_declare(self, queue: str, options: QueueOptions) -> None:
        self._arguments(options)

    def fate(self, queue: str) -> Fate | None:
        return self._fates.get(queue)

    def _declare_if_missing(self, queue: str, *, durable: bool) -> Future[bool]:
        """Create the dead letter queue, which may exist with options of its own. Returns whether it was created."""
        looked = self._look_for(queue)
        future: Future[bool] = Future()

        def declare(channel: Channel) -> None:
            channel.queue_declare(queue, durable=durable, callback=lambda _frame: _finish(channel, future, True))

        def then() -> None:
            if looked.failed:
                self._ask(declare, future)
            else:
                future.resolve(False)

        looked.when_done(then, owed=future)
        return future

    def _look_for(self, queue: str) -> Future[None]:
        """Fails with NotFound if the queue does not exist."""
        future: Future[None] = Future()

        def ask(channel: Channel) -> None:
            channel.queue_declare(queue, passive=True, callback=lambda _frame: _finish(channel, future, None))

        self._ask(ask, future)
        return future

    def _arguments(self, options: QueueOptions) -> dict[str, FieldValue]:
        product = self._link.product
        return arguments_of(options, product.version, "amqp") if product.is_rabbitmq() else options.arguments()

    def delete(self, queue: str) -> Future[None]:
        return self._delete(queue, if_unused=False, if_empty=False)

    def _delete(self, queue: str, *, if_unused: bool, if_empty: bool) -> Future[None]:
        future: Future[None] = Future()

        def delete(channel: Channel) -> None:
            channel.queue_delete(
                queue,
                if_unused=if_unused,
                if_empty=if_empty,
                callback=lambda _frame: _finish(channel, future, None),
            )

        self._ask(delete, future)
        return future

    def send(self, queue: str, messages: Sequence[Message]) -> Future[None]:
        return self._publisher.send(queue, messages)

    def subscribe(self, queue: str, prefetch: int, lease: float | None = None) -> Future[Subscription]:
        subscription = AmqpSubscription(self._link, self._asker, queue, prefetch, lease)
        subscription.begin()
        return subscription.subscribed

    def pull(self, queue: str, most: int = 1) -> Future[Subscription]:
        pull = AmqpPull(self._link, queue)
        pull.begin()
        return pull.subscribed

    def peek(self, queue: str, most: int) -> Future[list[Message]]:
        return run_steps(questions.peek(questions.asking(self), queue, most))

    def queues(self) -> Future[list[QueueInfo]]:
        return run_steps(questions.list_queues(questions.asking(self)))

    def stats(self, queue: str) -> Future[QueueStats]:
        if self._link.product.is_ours:
            return run_steps(questions.stats(questions.asking(self), queue))
        return self._look_at(queue, lambda ready, consumers: QueueStats(ready=ready, consumers=consumers))

    def count(self, queue: str) -> Future[int]:
        return self._look_at(queue, lambda ready, _: ready)

    def _look_at(self, queue: str, told: Callable[[int, int], T]) -> Future[T]:
        """queue.declare-ok (1.7.2.2) has the number of ready messages and of consumers."""
        future: Future[T] = Future()

        def ask(channel: Channel) -> None:
            def answered(frame: Method) -> None:
                ready, consumers = int(frame.method.message_count), int(frame.method.consumer_count)
                _finish(channel, future, told(ready, consumers))

            channel.queue_declare(queue, passive=True, callback=answered)

        # RabbitMQ reports a stream as empty, and some seconds later with all that it holds.
        self._unless_stream(queue, lambda: self._ask(ask, future), future)
        return future

    def purge(self, queue: str) -> Future[int]:
        future: Future[int] = Future()

        def ask(channel: Channel) -> None:
            def answered(frame: Method) -> None:
                _finish(channel, future, int(frame.method.message_count))

            channel.queue_purge(queue, callback=answered)

        self._unless_stream(queue, lambda: self._ask(ask, future), future)
        return future

    def move(self, source: str, target: str | None, most: int) -> Future[int]:
        if self._link.product.is_ours:
            return run_steps(questions.move(questions.asking(self), source, target, most))
        move = Move(self._link, self._publisher, source, target, most)
        self._unless_stream(source, move.begin, move.future)
        return move.future

    def transact(
        self, sends: Sequence[tuple[str, Message]], accepts: Sequence[tuple[Subscription, Incoming]]
    ) -> Future[None]:
        held = [(receiver, incoming) for receiver, incoming in accepts if isinstance(receiver, Acceptor)]
        return self._transactor.transact(sends, held)

    def request(self, queue: str, message: Message) -> Future[Message]:
        return self._requester.request(queue, message)

    def manage(self, request: Message) -> Future[Message]:
        return self._asker.request("", request, EXCHANGE)

    def forget(self, future: Future[Message]) -> None:
        assert isinstance(future, ReplyFuture)
        future.requester.forget(future)

    def reply(self, request: Message, message: Message) -> Future[None]:
        assert request.reply_to is not None
        return self._publisher.send(request.reply_to, [message], mandatory=False)

    def close(self) -> None:
        self._link.close()

    def _unless_stream(self, queue: str, then: Callable[[], None], future: Future[T]) -> None:
        self._link.when_open(lambda: unless_stream(self._link, queue, then, future), future)

    def _ask(self, ask: Callable[[Any], None], future: Future[T]) -> None:
        """Send a request on a new channel, since a refusal closes the channel."""

        def opened(channel: Channel) -> None:
            try:
                ask(channel)
            except (BatonError, ValueError, TypeError) as error:
                future.fail(error)
                channel.close()

        self._link.when_open(lambda: self._link.channel(opened, future.fail), future)


def _finish(channel: Channel, future: Future[T], value: T) -> None:
    future.resolve(value)
    if channel.is_open:
        channel.close()
