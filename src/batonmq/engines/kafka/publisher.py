"""Sends messages: an idempotent producer, with acks=all, whose callbacks report the broker's confirms."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException, Producer

from batonmq.engines.futures import Future
from batonmq.engines.kafka.failures import FATAL, PURGED, UNANSWERED, error_of
from batonmq.engines.kafka.headers import to_headers
from batonmq.engines.kafka.lanes import Delivered, Lane, Record, Sending
from batonmq.engines.kafka.leaks import leak
from batonmq.engines.kafka.names import Topic
from batonmq.engines.kafka.notices import CLIENT_LOG
from batonmq.engines.kafka.parameters import KafkaParameters
from batonmq.engines.messages import Message
from batonmq.errors import BatonError, Closed, ConnectionLost

__all__ = ["Publisher"]

POLL: Final = 0.25
# librdkafka's limit for requests; the topic's own says what it takes.
LARGEST: Final = 99_000_000


class Publisher:
    """The publisher of one connection; any thread may send."""

    def __init__(self, parameters: KafkaParameters, seen: Callable[[str], Future[Topic]]) -> None:
        """``seen`` looks up the topic of a queue: its future fails with NotFound if there is none."""
        self._settings = {
            **parameters.client(),
            "enable.idempotence": True,
            "acks": "all",
            "linger.ms": 0,
            "batch.num.messages": parameters.batch,
            "sticky.partitioning.linger.ms": 0,
            "message.timeout.ms": parameters.timeout * 1000,
            "message.max.bytes": LARGEST,
            # Senders wait, and have the messages in memory anyway.
            "queue.buffering.max.messages": 0,
            "queue.buffering.max.kbytes": 2_147_483_647,
            "logger": CLIENT_LOG,
        }
        self._timeout = parameters.timeout
        self._batch = parameters.batch
        self._seen = seen
        self._lanes: dict[str, Lane] = {}
        # Messages that did not go to the client at once, in the order of their deadlines.
        self._waited: deque[Sending] = deque()
        self._lock = threading.Lock()
        self._is_closed = False
        self._producer = Producer(self._settings)
        # Failed producers, until all their messages have an outcome.
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
        sending = Sending(queue, records, time.monotonic() + self._timeout)
        if not records:
            sending.future.resolve(None)
        elif (lane := self._lanes.get(queue)) is not None and lane.is_known:
            self._send(sending, lane)
        else:
            seen = self._seen(queue)

            def then() -> None:
                if seen.error is not None:
                    sending.future.fail(seen.error)
                else:
                    self._send(sending, self._lane(queue, seen.result()))

            seen.when_done(then, owed=sending.future)
        return sending.future

    def forget(self, queue: str) -> None:
        """The topic may be gone."""
        if (lane := self._lanes.get(queue)) is not None:
            lane.forget()

    def _lane(self, queue: str, topic: Topic) -> Lane:
        with self._lock:
            lane = self._lanes.get(queue)
            if lane is None or lane.topic != topic.name:
                lane = self._lanes[queue] = Lane(topic.name, len(topic.partitions), self._batch)
            lane.seen()
            return lane

    # ------------------------------------------------------------------ on the way

    def _send(self, sending: Sending, lane: Lane) -> None:
        with self._lock:
            if self._is_closed:
                sending.future.fail(Closed("the connection was closed"))
                return
            lane.wait(sending)
            over = self._feed(lane)
            if sending.left:
                self._waited.append(sending)
        self._finish(over)

    def _delivered(
        self, sending: Sending, lane: Lane, producer: Producer, error: KafkaError | None, _message: object
    ) -> None:
        """A message is confirmed, or failed. In the thread for confirms."""
        told = None if error is None else self._told(sending.queue, producer, error)
        with self._lock:
            lane.arrived()
            sending.confirmed()
            if told is not None:
                sending.failed(told)
            over = self._feed(lane)
            if sending.is_over:
                over.append(sending)
        if over:
            self._finish(over)

    def _feed(self, lane: Lane) -> list[Sending]:
        """With the lock: give the client as much as may be on its way. Returns those over because it refused them."""
        over: list[Sending] = []
        while (sending := lane.first) is not None and (room := lane.room):
            delivered = partial(self._delivered, sending, lane, self._producer)
            done, refused = self._produce(sending.queue, lane.topic, sending.next(room), delivered)
            sending.taken(done)
            lane.departed(done)
            if refused is not None:
                sending.failed(refused)
                if sending.is_over:
                    over.append(sending)
            if not sending.left:
                lane.first_is_sent()
        return over

    def _produce(
        self, queue: str, topic: str, records: Sequence[Record], delivered: Delivered
    ) -> tuple[int, BatonError | ValueError | None]:
        """With the lock. Returns how many messages the client took, and why it did not take the next one."""
        done = 0
        try:
            if len(records) > 1 and not any(headers for _, headers in records):
                # In one call, which gives other threads the interpreter once, and not once for each message.
                batch: list[dict[str, Any]] = [{"value": body} for body, _ in records]
                done = self._producer.produce_batch(topic, batch, on_delivery=delivered)
                if done < len(records):
                    # With the client's own words for it, and not those that it has for a batch.
                    raise KafkaException(KafkaError(next(one["_error"].code() for one in batch if "_error" in one)))
                return done, None
            produce = self._producer.produce
            for body, headers in records:
                produce(topic, body, headers=headers or None, on_delivery=delivered)
                done += 1
        except ValueError as error:  # a header's name that is no Unicode
            return done, error
        except Exception as error:  # noqa: BLE001  (whoever waits is told, and the thread for confirms goes on)
            if isinstance(error, KafkaException) and _is_fatal(error.args[0]):
                self._renew()
            return done, error_of(error, f"queue '{queue}'")
        return done, None

    def _finish(self, over: Iterable[Sending]) -> None:
        """Not with the lock."""
        for sending in over:
            if sending.error is not None:
                self.forget(sending.queue)
            sending.finish()

    def _told(self, queue: str, producer: Producer, error: KafkaError) -> BatonError:
        code = error.code()
        if code == PURGED:
            return Closed("the connection was closed before it was sent")
        if _is_fatal(error):
            self.replace(producer)
        if code in UNANSWERED:
            text = error.str().removeprefix("Broker: ")
            return _unconfirmed(queue, text)
        return error_of(error, f"queue '{queue}'")

    # ------------------------------------------------------------------ the client below

    def replace(self, producer: Producer) -> None:
        """This producer is unusable after an error that it calls fatal."""
        with self._lock:
            # The callbacks of all its messages report the error, but only the first counts.
            if producer is self._producer and not self._is_closed:
                self._renew()

    def _renew(self) -> None:
        """With the lock."""
        gone, self._producer = self._producer, Producer(self._settings)
        # Messages in it are not sent any more; its callbacks fail them.
        gone.purge(in_queue=True, in_flight=True)
        self._gone.append(gone)

    def _poll(self) -> None:
        """A thread of its own: callbacks come here."""
        while not self._is_closed:
            if self._waited:
                self._give_up()
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

    def _give_up(self) -> None:
        """Fail messages that have waited too long here; the client does so for its own."""
        late: list[Sending] = []
        now = time.monotonic()
        with self._lock:
            while self._waited and (self._waited[0].is_over or self._waited[0].until < now):
                sending = self._waited.popleft()
                if not sending.is_over:
                    sending.failed(_unconfirmed(sending.queue, f"no answer within {self._timeout} s"))
                    late.append(sending)
        self._finish(late)

    def close(self) -> None:
        """Fail unconfirmed messages with Closed. May block for a short time."""
        with self._lock:
            if self._is_closed:
                return
            self._is_closed = True
            producers = [self._producer, *self._gone]
            waiting = [sending for sending in self._waited if not sending.is_over]
            for sending in waiting:
                sending.failed(Closed("the connection was closed before it was sent"))
        self._finish(waiting)
        if threading.current_thread() is not self._poller:
            self._poller.join()
        for producer in producers:
            producer.purge(in_queue=True, in_flight=True)
            producer.poll(0)
            producer.flush(1.0)

    def forked(self) -> None:
        """In a forked child: keep the producer, whose destruction would wait for missing threads."""
        self._lock = threading.Lock()
        self._is_closed = True
        for producer in (self._producer, *self._gone):
            leak(producer)


def _unconfirmed(queue: str, text: str) -> ConnectionLost:
    return ConnectionLost(f"queue '{queue}': the broker has not confirmed ({text}): it may or may not have arrived")


def _is_fatal(error: KafkaError) -> bool:
    """Is the producer unusable? For a batch there is only the code."""
    return error.fatal() or error.code() == FATAL
