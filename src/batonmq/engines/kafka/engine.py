"""The engine over Kafka's share groups."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final, TypeVar

from batonmq.engines.figures import QueueInfo
from batonmq.engines.forks import FORKED, when_forked
from batonmq.engines.futures import Future
from batonmq.engines.interface import Engine, Subscription
from batonmq.engines.kafka.names import Topic
from batonmq.engines.kafka.parameters import kafka_parameters
from batonmq.engines.messages import Message
from batonmq.engines.values import Capabilities, Fate, QueueOptions
from batonmq.errors import Closed, NotFound, UnsupportedFeature

try:
    from confluent_kafka.admin import AdminClient

    from batonmq.engines.kafka.administration import Administration
    from batonmq.engines.kafka.cluster import Cluster
    from batonmq.engines.kafka.leaks import leak
    from batonmq.engines.kafka.notices import CLIENT_LOG
    from batonmq.engines.kafka.publisher import Publisher
    from batonmq.engines.kafka.queues import Queues
    from batonmq.engines.kafka.subscription import KafkaSubscription
    from batonmq.engines.kafka.tasks import Tasks
except ImportError as missing:
    raise UnsupportedFeature(f"kafka:// needs Kafka's client: pip install 'batonmq[kafka]' ({missing})") from missing

__all__ = ["CAPABILITIES", "KafkaEngine"]

T = TypeVar("T")

CAPABILITIES: Final = Capabilities(
    engine="kafka",
    durable=True,
    # A killed broker forgets deliveries, and counts them from the start.
    delivery_count=False,
    max_deliveries=True,
    dead_letter=True,
    count=True,
    purge=True,
    queues=True,
    stats=True,
)
PATIENCE: Final = 10.0


class KafkaEngine(Engine):
    """Queues in a cluster. ``native`` is the admin client of confluent-kafka."""

    system = "kafka"

    def __init__(self, url: str, context: ssl.SSLContext | None = None, patience: float | None = None) -> None:
        """``patience``: how many seconds a broker has to answer.

        Raises ConnectionLost, AccessRefused, ValueError, and UnsupportedFeature where there are no share groups.
        """
        self._parameters = kafka_parameters(url, context)
        patience = patience if patience is not None else PATIENCE
        self._cluster = Cluster(self._parameters, patience)
        self.capabilities = replace(CAPABILITIES, dead_letter=self._cluster.has_dead_letters)
        self._settings = self._parameters.client()
        self._admin = AdminClient(self._settings, logger=CLIENT_LOG)
        self._tasks = Tasks()
        administration = Administration(self._admin, patience, self._tasks.closing)
        self._queues = Queues(administration, self._cluster, self._parameters, patience)
        self._publisher = Publisher(self._parameters, self.look_for)
        self._subscriptions: set[KafkaSubscription] = set()
        self._lock = threading.Lock()
        self._is_closed = self._is_forked = False
        # Only of queues that were declared or subscribed to here.
        self._fates: dict[str, Fate] = {}
        when_forked(self)

    @property
    def native(self) -> object:
        self._require_open()
        return self._admin

    # ------------------------------------------------------------------ queues

    def declare(self, queue: str, options: QueueOptions) -> Future[None]:
        def declare() -> None:
            self._queues.declare(queue, options)
            limit = self._queues.fate(self._queues.topic(queue).name).max_deliveries
            self._fates[queue] = Fate(options.dead_letter, limit)

        return self._run(declare)

    def check_declare(self, queue: str, options: QueueOptions) -> None:
        self._run(lambda: self._queues.check(queue, options)).get()

    def fate(self, queue: str) -> Fate | None:
        return self._fates.get(queue)

    def delete(self, queue: str) -> Future[None]:
        def leave() -> None:
            with self._lock:
                here = [one for one in self._subscriptions if one.queue == queue]
            for one in here:
                one.end(NotFound(f"queue '{queue}' was deleted"))
            for one in here:
                one.join()

        def delete() -> None:
            self._publisher.forget(queue)
            self._fates.pop(queue, None)
            self._queues.delete(self._queues.topic_or_name(queue), leave)

        return self._run(delete)

    def count(self, queue: str) -> Future[int]:
        """How many messages are unsettled, without those held by this connection."""

        return self._run(lambda: max(self._queues.count(queue) - self._holds(queue), 0))

    def _holds(self, queue: str) -> int:
        with self._lock:
            here = [one for one in self._subscriptions if one.queue == queue]
        return sum(one.holds() for one in here)

    def queues(self) -> Future[list[QueueInfo]]:
        return self._run(lambda: [QueueInfo(name) for name in self._queues.names()])

    def purge(self, queue: str) -> Future[int]:
        """Held messages are dropped, too: Kafka drops records, whoever holds them."""
        return self._run(lambda: max(self._queues.purge(queue) - self._holds(queue), 0))

    # ------------------------------------------------------------------ messages

    def send(self, queue: str, messages: Sequence[Message]) -> Future[None]:
        self._require_open()
        return self._publisher.send(queue, messages)

    def subscribe(self, queue: str, prefetch: int, lease: float | None = None) -> Future[Subscription]:
        if lease is not None:
            raise UnsupportedFeature("kafka: lease")

        def subscribe() -> Subscription:
            topic = self._queues.topic(queue).name
            lock = self._queues.lock(topic)
            if queue not in self._fates:
                self._fates[queue] = self._queues.fate(topic)
            self._cluster.warm_up(topic, topic)
            with self._lock:
                if self._is_closed:
                    raise Closed("the connection was closed")
                subscription = KafkaSubscription(self._settings, queue, topic, prefetch, lock, self)
                self._subscriptions.add(subscription)
            return subscription

        return self._run(subscribe)

    # ------------------------------------------------------------------ for subscriptions

    def look_for(self, queue: str) -> Future[Topic]:
        """The topic of a queue. The future fails with NotFound if there is none."""
        return self._tasks.run(lambda: self._queues.topic(queue))

    def left(self, subscription: KafkaSubscription) -> None:
        """A subscription is closed."""
        with self._lock:
            self._subscriptions.discard(subscription)

    # ------------------------------------------------------------------ the end

    def close(self) -> None:
        if self._is_forked:
            return
        with self._lock:
            if self._is_closed:
                return
            self._is_closed = True
            subscriptions = list(self._subscriptions)
        error = Closed("the connection was closed")
        self._tasks.close()
        for one in subscriptions:
            one.end(error)
        for one in subscriptions:
            one.join()
        self._publisher.close()
        self._cluster.close()
        self._tasks.join()

    def forked(self) -> None:
        """In a forked child: threads and locks are the parent's."""
        self._is_forked = True
        self._lock = threading.Lock()
        self._cluster.forked()
        self._publisher.forked()
        leak(self._admin)
        for one in list(self._subscriptions):
            one.forked()

    def _require_open(self) -> None:
        if self._is_forked:
            raise Closed(FORKED)
        if self._is_closed:
            raise Closed("the connection was closed")

    def _run(self, task: Callable[[], T]) -> Future[T]:
        self._require_open()
        return self._tasks.run(task)
