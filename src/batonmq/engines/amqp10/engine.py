"""The engine over AMQP 1.0."""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from weakref import WeakSet

from batonmq.engines.amqp10.conversion import Conversion
from batonmq.engines.amqp10.desk import EngineDesk
from batonmq.engines.amqp10.inbox import ReplyFuture
from batonmq.engines.amqp10.moving import drop_all, move_all
from batonmq.engines.amqp10.products.base import Product
from batonmq.engines.amqp10.products.choosing import product_of
from batonmq.engines.amqp10.pull import Amqp10Pull
from batonmq.engines.amqp10.sending import Sending
from batonmq.engines.amqp10.settling import Settling
from batonmq.engines.amqp10.subscription import Amqp10Subscription
from batonmq.engines.amqp10.taking import Taking
from batonmq.engines.amqp10.transacting import Transacting
from batonmq.engines.amqp10.uplink import Uplink
from batonmq.engines.figures import QueueInfo, QueueStats
from batonmq.engines.futures import Future
from batonmq.engines.interface import Engine, Subscription
from batonmq.engines.messages import Message
from batonmq.engines.steps import Steps, run_steps
from batonmq.engines.values import Fate, Incoming, QueueOptions
from batonmq.errors import BatonError, ConnectionLost, NotFound, UnsupportedFeature
from batonmq.protocols.amqp10.codec.performatives import Target

__all__ = ["Amqp10Engine"]


class MessageFuture(Future[Message]):
    """Resolved with the reply to a request as a message."""

    __slots__ = ("asked",)

    def __init__(self) -> None:
        super().__init__()
        self.asked: ReplyFuture | None = None


def _settling(subscription: Subscription) -> Settling:
    assert isinstance(subscription, Taking)
    return subscription.settling


class Amqp10Engine(Engine):
    """Queues of a broker. ``native`` is the protocol's connection, which other threads must not touch."""

    def __init__(self, url: str, context: ssl.SSLContext | None = None, patience: float | None = None) -> None:
        """``patience``: how many seconds the broker has to answer when connecting.

        Raises ConnectionLost, AccessRefused, ValueError.
        """
        self._uplink = Uplink(url, context, patience)
        self._uplink.open()
        self._desk = EngineDesk(self._uplink)
        product: Product | None = None
        try:
            announced = self._uplink.announced
            wanted = self._uplink.parameters.wanted
            kind = product_of(announced)
            if wanted and not kind.is_called(wanted):
                said = announced.product or "nothing"
                raise ConnectionLost(
                    f"the broker at {self._uplink.parameters.where} is no {wanted}, but calls itself {said}: "
                    "amqp10:// takes any broker that speaks AMQP 1.0"
                )
            product = self._product = kind(self._desk)
            if kind.isolates_links:
                self._uplink.isolate_links()
            else:
                self._desk.look_for_coordinator(self._uplink.patience).get()
            self._conversion = Conversion(self._product)
            self._desk.serve(self._product.reply_source, self._message_of)
            if kind.settles_replies:
                self._desk.inbox.want_settled()
            run_steps(self._product.prepare()).get()
            self.capabilities = self._product.capabilities
            self.system = self._product.system
        except BaseException:
            self._uplink.close()
            if product is not None:
                product.close()
            raise
        self._takings: WeakSet[Taking] = WeakSet()
        # Only of queues declared here.
        self._fates: dict[str, Fate] = {}
        self._sending = Sending(self._desk, self._product, self._conversion)
        self._transacting = Transacting(self._uplink, self._desk)

    @property
    def native(self) -> object:
        self._uplink.require_open()
        return self._uplink.connection

    # ------------------------------------------------------------------ queues

    def declare(self, queue: str, options: QueueOptions) -> Future[None]:
        self._uplink.require_open()

        def steps() -> Steps[None]:
            yield from self._product.declare(queue, options)
            self._fates[queue] = options.fate

        return run_steps(steps())

    def check_declare(self, queue: str, options: QueueOptions) -> None:
        self._product.check_declare(queue, options)

    def fate(self, queue: str) -> Fate | None:
        return self._fates.get(queue) or self._product.fate(queue)

    def delete(self, queue: str) -> Future[None]:
        self._uplink.require_open()

        def steps() -> Steps[None]:
            yield from self._product.delete(queue)
            self._fates.pop(queue, None)
            self._uplink.call(lambda: self._deleted(queue))

        return run_steps(steps())

    def _deleted(self, queue: str) -> None:
        # Some brokers would create the queue again for the next message on this link.
        self._desk.publisher.close(self._product.target(queue))
        if not self._product.tells_of_deletion:
            for taking in list(self._takings):
                if taking.queue == queue:
                    taking.queue_deleted()

    def count(self, queue: str) -> Future[int]:
        self._uplink.require_open()
        return run_steps(self._product.count(queue))

    def peek(self, queue: str, most: int) -> Future[list[Message]]:
        self._uplink.require_open()
        return run_steps(self._product.peek(queue, most))

    def purge(self, queue: str) -> Future[int]:
        self._uplink.require_open()
        return run_steps(self._product.purge(queue) or drop_all(self, queue))

    def queues(self) -> Future[list[QueueInfo]]:
        self._uplink.require_open()
        return run_steps(self._product.queues())

    def stats(self, queue: str) -> Future[QueueStats]:
        self._uplink.require_open()
        return run_steps(self._product.stats(queue))

    def move(self, source: str, target: str | None, most: int) -> Future[int]:
        self._uplink.require_open()
        steps = self._product.move(source, target, most)
        return run_steps(steps or move_all(self, self._product, source, target, most))

    # ------------------------------------------------------------------ messages

    def send(self, queue: str, messages: Sequence[Message]) -> Future[None]:
        future: Future[None] = Future()
        self._uplink.when_open(lambda: self._sending.send(queue, messages, future), future)
        return future

    def subscribe(self, queue: str, prefetch: int, lease: float | None = None) -> Future[Subscription]:
        return self._take(Amqp10Subscription(self._uplink, self._product, self._transacting, queue, prefetch, lease))

    def pull(self, queue: str, most: int = 1) -> Future[Subscription]:
        return self._take(Amqp10Pull(self._uplink, self._product, self._transacting, queue, most))

    def _take(self, taking: Taking) -> Future[Subscription]:
        self._takings.add(taking)
        taking.begin()
        return taking.subscribed

    # ------------------------------------------------------------------ transactions

    def transact(
        self, sends: Sequence[tuple[str, Message]], accepts: Sequence[tuple[Subscription, Incoming]]
    ) -> Future[None]:
        if not self._product.delays_in_transactions and any(message.delay for _, message in sends):
            raise UnsupportedFeature(f"{self._product.engine_name}: delay in a transaction")
        by_queue: dict[str, list[Message]] = {}
        for queue, message in sends:
            by_queue.setdefault(queue, []).append(message)

        def send(txn: bytes) -> list[Future[None]]:
            sent = []
            for queue, messages in by_queue.items():
                future: Future[None] = Future()
                self._sending.send(queue, messages, future, txn)
                sent.append(future)
            return sent

        return self._transacting.run(send, [(_settling(subscription), incoming) for subscription, incoming in accepts])

    # ------------------------------------------------------------------ requests

    def request(self, queue: str, message: Message) -> Future[Message]:
        future = MessageFuture()
        properties = message.properties

        def payload(reply_to: str, correlation_id: str) -> bytes:
            shown = self._product.queue_of(reply_to)
            return self._conversion.write(message, properties.replace(reply_to=shown, correlation_id=correlation_id))

        def begin() -> None:
            asked = future.asked = self._desk.request(self._product.target(queue), queue, payload)
            asked.when_done(lambda: answered(asked), owed=future)

        def answered(asked: ReplyFuture) -> None:
            if asked.error is not None:
                future.fail(asked.error)
            else:
                future.resolve(self._message_of(asked.result().data))

        def ask() -> None:
            required = self._sending.require(queue)
            required.when_done(lambda: future.fail(required.error) if required.error else begin(), owed=future)

        self._uplink.when_open(ask, future)
        return future

    def _message_of(self, payload: bytes) -> Message:
        return self._product.shown(self._conversion.read(payload)[0])

    def manage(self, request: Message) -> Future[Message]:
        self._uplink.require_open()
        return run_steps(self._product.manage(request))

    def forget(self, future: Future[Message]) -> None:
        asked = future.asked if isinstance(future, MessageFuture) else None
        if asked is not None:
            self._uplink.call(lambda: self._desk.inbox.forget(asked))

    def reply(self, request: Message, message: Message) -> Future[None]:
        assert request.reply_to is not None
        target = self._product.reply_target(request.reply_to)
        future: Future[None] = Future()
        sent: Future[None] = Future()

        def send() -> None:
            required = run_steps(self._product.require_reply(request.reply_to or ""))
            required.when_done(lambda: required_done(required.error), owed=sent)

        def required_done(error: BaseException | None) -> None:
            if error is not None:
                sent.fail(error)
            else:
                self._reply(target, message, sent)

        def done() -> None:
            # The requester may have stopped waiting.
            if sent.error is not None and not isinstance(sent.error, NotFound):
                future.fail(sent.error)
            else:
                future.resolve(None)

        sent.when_done(done, owed=future)
        self._uplink.when_open(send, sent)
        return future

    def _reply(self, target: Target, message: Message, sent: Future[None]) -> None:
        try:
            outlet = self._desk.publisher.open(target, target.address or "")
            outlet.send((self._conversion.write(message),), sent)
        except (BatonError, ValueError) as error:
            sent.fail(error)

    def close(self) -> None:
        self._uplink.close()
        self._product.close()
