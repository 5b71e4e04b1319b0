"""Sends messages: an idempotent producer, with acks=all, whose callbacks say what the broker has confirmed."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Final

from confluent_kafka import KafkaError, KafkaException, Producer

from batonmq.engines.futures import Future
from batonmq.engines.kafka.failures import PURGED, UNANSWERED, error_of
from batonmq.engines.kafka.headers import Headers, to_headers
from batonmq.engines.kafka.leaks import leak
from batonmq.engines.kafka.notices import CLIENT_LOG
from batonmq.engines.kafka.parameters import KafkaParameters
from batonmq.engines.messages import Message
from batonmq.errors import BatonError, Closed, ConnectionLost

__all__ = ["Publisher"]

# For how long a topic that was seen is taken to be there. A producer asks for the topics that it sends to, and a broker
# that makes topics by itself would make one anew.
SEEN: Final = 5.0
POLL: Final = 0.25
# librdkafka's limit for requests; the topic's own says what it takes.
LARGEST: Final = 99_000_000


class Publisher:
    """Of one connection; any thread may send."""

    def __init__(self, parameters: KafkaParameters, seen: Callable[[str], Future[str]]) -> None:
        """``seen`` tells the topic of a queue: its future fails with NotFound where there is none."""
        self._settings = {
            **parameters.client(),
            "enable.idempotence": True,
            "acks": "all",
            "linger.ms": 0,
            "batch.num.messages": parameters.batch,
            "sticky.partitioning.linger.ms": 0,
            "message.timeout.ms": parameters.timeout * 1000,
            "message.max.bytes": LARGEST,
            # Whoever sends waits, and has the messages in memory anyhow.
            "queue.buffering.max.messages": 0,
            "queue.buffering.max.kbytes": 2_147_483_647,
            "logger": CLIENT_LOG,
        }
        self._timeout = parameters.timeout
        self._seen = seen
        # With the monotonic time until which they are taken to be there.
        self._topics: dict[str, tuple[str, float]] = {}
        self._lock = threading.Lock()
        self._is_closed = False
        self._producer = Producer(self._settings)
        self._poller = threading.Thread(target=self._poll, name="batonmq-kafka-confirms", daemon=True)
        self._poller.start()

    @property
    def producer(self) -> Producer:
        """The client's."""
        return self._producer

    def send(self, queue: str, messages: Sequence[Message]) -> Future[None]:
        """Resolved when the broker has confirmed all of them. ValueError, NotFound, ConnectionLost and others."""
        records = [(message.body, to_headers(message.properties)) for message in messages]
        sending = _Sending(queue, len(records), self)
        if not records:
            sending.future.resolve(None)
        elif (known := self._topics.get(queue)) is not None and known[1] > time.monotonic():
            self._produce(sending, known[0], records)
        else:
            seen = self._seen(queue)

            def then() -> None:
                if seen.error is not None:
                    sending.future.fail(seen.error)
                    return
                topic = seen.result()
                self._topics[queue] = topic, time.monotonic() + SEEN
                self._produce(sending, topic, records)

            seen.when_done(then, owed=sending.future)
        return sending.future

    def forget(self, queue: str) -> None:
        """It is there no more, perhaps."""
        self._topics.pop(queue, None)

    def _produce(self, sending: _Sending, topic: str, records: Sequence[tuple[bytes, Headers]]) -> None:
        delivered = sending.delivered
        with self._lock:
            if self._is_closed:
                sending.future.fail(Closed("the connection was closed"))
                return
            produce = self._producer.produce
            done = 0
            try:
                for body, headers in records:
                    produce(topic, body, headers=headers or None, on_delivery=delivered)
                    done += 1
            except (KafkaException, BufferError) as error:
                if isinstance(error, KafkaException) and error.args[0].fatal():
                    self._renew()
                sending.refused(error, len(records) - done)

    def replace(self) -> None:
        """The producer is of no use any more: an error that it calls fatal."""
        with self._lock:
            if not self._is_closed:
                self._renew()

    def _renew(self) -> None:
        self._producer = Producer(self._settings)

    def _poll(self) -> None:
        """A thread of its own: callbacks come here."""
        while not self._is_closed:
            self._producer.poll(POLL)

    def close(self) -> None:
        """What is not confirmed fails with Closed. May block, not for long."""
        with self._lock:
            if self._is_closed:
                return
            self._is_closed = True
            producer = self._producer
        if threading.current_thread() is not self._poller:
            self._poller.join()
        producer.purge(in_queue=True, in_flight=True)
        producer.poll(0)
        producer.flush(1.0)

    def forked(self) -> None:
        """In a child: its threads are not here, and its end would wait for them."""
        self._lock = threading.Lock()
        self._is_closed = True
        leak(self._producer)


class _Sending:
    """Messages that were sent at once."""

    __slots__ = ("_error", "_left", "_publisher", "future", "queue")

    def __init__(self, queue: str, count: int, publisher: Publisher) -> None:
        self.queue = queue
        self.future: Future[None] = Future()
        self._left = count
        self._error: BatonError | None = None
        self._publisher = publisher

    def delivered(self, error: KafkaError | None, _message: object) -> None:
        """One is confirmed, or is not."""
        if error is not None:
            self._error = self._error or self._told(error)
        self._left -= 1
        if not self._left:
            self._finish()

    def refused(self, error: object, count: int) -> None:
        """So many were not taken by the client at all."""
        self._error = self._error or error_of(error, f"queue '{self.queue}'")
        self._left -= count
        if not self._left:
            self._finish()

    def _finish(self) -> None:
        if self._error is None:
            self.future.resolve(None)
        else:
            self._publisher.forget(self.queue)
            self.future.fail(self._error)

    def _told(self, error: KafkaError) -> BatonError:
        code = error.code()
        if code == PURGED:
            return Closed("the connection was closed before it was sent")
        if error.fatal():
            self._publisher.replace()
        if code in UNANSWERED:
            text = error.str().removeprefix("Broker: ")
            return ConnectionLost(
                f"queue '{self.queue}': the broker has not confirmed ({text}): it may or may not have arrived"
            )
        return error_of(error, f"queue '{self.queue}'")
