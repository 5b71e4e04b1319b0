"""Sends messages: an idempotent producer, with acks=all, whose callbacks say what the broker has confirmed."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException, Producer

from batonmq.engines.futures import Future
from batonmq.engines.kafka.failures import FATAL, PURGED, UNANSWERED, error_of
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
# How long a batch that is not full waits for more, in milliseconds. Without, the client's thread is woken some five
# times for each message and makes two batches of one: a hundred messages cost 1.26 ms of CPU, and 0.64 with this.
LINGER: Final = 0.5


class Publisher:
    """Of one connection; any thread may send."""

    def __init__(self, parameters: KafkaParameters, seen: Callable[[str], Future[str]]) -> None:
        """``seen`` tells the topic of a queue: its future fails with NotFound where there is none."""
        self._settings = {
            **parameters.client(),
            "enable.idempotence": True,
            "acks": "all",
            "linger.ms": LINGER if parameters.batch > 1 else 0,
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
        # Those that are of no use any more, until everybody who waits for them is told.
        self._gone: list[Producer] = []
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
            sending.producer = self._producer
            done = 0
            try:
                if len(records) > 1 and not any(headers for _, headers in records):
                    # In one call, which gives other threads the interpreter once, and not once for each message.
                    batch: list[dict[str, Any]] = [{"value": body} for body, _ in records]
                    done = self._producer.produce_batch(topic, batch, on_delivery=delivered)
                    if done == len(records):
                        return
                    # With the client's own words for it, and not those that it has for a batch.
                    raise KafkaException(KafkaError(next(one["_error"].code() for one in batch if "_error" in one)))
                produce = self._producer.produce
                for body, headers in records:
                    produce(topic, body, headers=headers or None, on_delivery=delivered)
                    done += 1
                return
            except (KafkaException, BufferError) as error:
                refused: KafkaException | BufferError = error
                if isinstance(error, KafkaException) and _is_fatal(error.args[0]):
                    self._renew()
        # Not with the lock: whoever waits may send again at once.
        sending.refused(refused, len(records) - done)

    def replace(self, producer: Producer | None) -> None:
        """This producer is of no use any more: an error that it calls fatal."""
        with self._lock:
            # All that it had to send says so.
            if producer is self._producer and not self._is_closed:
                self._renew()

    def _renew(self) -> None:
        """With the lock."""
        gone, self._producer = self._producer, Producer(self._settings)
        # What is in it is not sent any more, and those who wait for it are told by its callbacks.
        gone.purge(in_queue=True, in_flight=True)
        self._gone.append(gone)

    def _poll(self) -> None:
        """A thread of its own: callbacks come here."""
        while not self._is_closed:
            if not self._gone:
                self._producer.poll(POLL)
                continue
            with self._lock:
                gone = list(self._gone)
            for one in gone:
                one.poll(0)
            self._producer.poll(POLL / 10)
            with self._lock:
                self._gone = [one for one in self._gone if len(one)]

    def close(self) -> None:
        """What is not confirmed fails with Closed. May block, not for long."""
        with self._lock:
            if self._is_closed:
                return
            self._is_closed = True
            producers = [self._producer, *self._gone]
        if threading.current_thread() is not self._poller:
            self._poller.join()
        for producer in producers:
            producer.purge(in_queue=True, in_flight=True)
            producer.poll(0)
            producer.flush(1.0)

    def forked(self) -> None:
        """In a child: its threads are not here, and its end would wait for them."""
        self._lock = threading.Lock()
        self._is_closed = True
        for producer in (self._producer, *self._gone):
            leak(producer)


class _Sending:
    """Messages that were sent at once."""

    __slots__ = ("_awaited", "_confirmed", "_error", "_publisher", "future", "producer", "queue")

    def __init__(self, queue: str, count: int, publisher: Publisher) -> None:
        self.queue = queue
        self.future: Future[None] = Future()
        self.producer: Producer | None = None
        """Who sends them."""
        # One thread writes the one number, another the other, and each then looks at both: no lock is needed for that.
        self._awaited = count
        self._confirmed = 0
        self._error: BatonError | None = None
        self._publisher = publisher

    def delivered(self, error: KafkaError | None, _message: object) -> None:
        """One is confirmed, or is not. In the thread for confirms."""
        if error is not None:
            self._error = self._error or self._told(error)
        self._confirmed += 1
        if self._confirmed >= self._awaited:
            self._finish()

    def refused(self, error: object, count: int) -> None:
        """So many were not taken by the client at all. In the thread that sends."""
        self._error = self._error or error_of(error, f"queue '{self.queue}'")
        self._awaited -= count
        if self._confirmed >= self._awaited:
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
        if _is_fatal(error):
            self._publisher.replace(self.producer)
        if code in UNANSWERED:
            text = error.str().removeprefix("Broker: ")
            return ConnectionLost(
                f"queue '{self.queue}': the broker has not confirmed ({text}): it may or may not have arrived"
            )
        return error_of(error, f"queue '{self.queue}'")


def _is_fatal(error: KafkaError) -> bool:
    """Is the producer of no use any more? Of a batch there is the code alone."""
    return error.fatal() or error.code() == FATAL
