"""One share consumer with its thread: it takes a batch, and no other until all of that is settled.

    resting --(fetch)--> fetching --(a batch comes)--> busy --(all is settled and committed)--> resting

While it is fetching, the client may have a request at the broker all the time: what comes then is ours, whether
anybody asks for it or not. At rest it takes nothing.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Final, Literal, Protocol, TypeAlias

from confluent_kafka import (
    AcknowledgeType,
    IllegalStateException,
    KafkaError,
    KafkaException,
    Message as Record,
    ShareConsumer,
    TopicPartition,
)

from batonmq.engines.kafka.failures import GONE, error_of
from batonmq.engines.kafka.leaks import leak
from batonmq.engines.kafka.notices import CLIENT_LOG, LOG, say_preview

__all__ = ["SLICE", "Hand", "Owner", "Place"]

Place: TypeAlias = tuple[int, int]
"""Partition and offset."""
State = Literal["resting", "fetching", "busy", "ended"]

# How long the client is asked at once, in seconds: an end is noticed after that.
SLICE: Final = 0.25
# A new member is told of no partition at first, and its client asks again after 5 s only, unless it subscribes anew:
# with that the first message comes after 0.02 to 0.4 s (Kafka 4.4). So it does until one comes, for so many seconds.
JOINING: Final = 6.0
JOINING_SLICE: Final = 0.1
# What a request waits for at the broker.
FETCH_WAIT: Final = 200
# A commit that takes longer has found nobody: the lock of what it was about ends by itself.
COMMIT: Final = 5.0


class Owner(Protocol):
    """Who has hands. All calls come from their threads."""

    def arrived(self, hand: Hand, records: Sequence[Record], since: float) -> None:
        """A batch, of which the broker has counted the time since then, in monotonic seconds, or later."""

    def looked(self, hand: Hand) -> None:
        """Nothing came."""

    def rested(self, hand: Hand) -> None:
        """All of its batch is settled."""

    def failed(self, hand: Hand, error: Exception) -> None:
        """The client raises something that it does not get over."""


class Hand:
    """Started by its making, ended by ``end``."""

    def __init__(self, settings: Mapping[str, object], queue: str, size: int, owner: Owner) -> None:
        self.queue = queue
        self.size = size
        """How many messages it asks for; a batch of a producer comes whole."""
        self.since = time.monotonic()
        """When it came to the state that it is in."""
        self._owner = owner
        self._settings = {
            **settings,
            "group.id": queue,
            "share.acknowledgement.mode": "explicit",
            "max.poll.records": size,
            "fetch.wait.max.ms": FETCH_WAIT,
            "logger": CLIENT_LOG,
        }
        self._turn = threading.Condition()
        self._state: State = "resting"
        self._unsettled: set[Place] = set()
        self._settled: list[tuple[Place, AcknowledgeType]] = []
        self._is_ending = False
        self._consumer: ShareConsumer | None = None
        self._joining_until = time.monotonic() + JOINING
        self._thread = threading.Thread(target=self._run, name=f"batonmq-kafka-{queue}", daemon=True)
        self._thread.start()

    @property
    def state(self) -> State:
        """Where it is."""
        return self._state

    @property
    def is_settled(self) -> bool:
        """Is nothing of its batch in anybody's hands? What is settled may not be committed yet."""
        return not self._unsettled

    def fetch(self) -> None:
        """Take the next batch."""
        with self._turn:
            if self._state == "resting":
                self._go("fetching")

    def settle(self, place: Place, how: AcknowledgeType) -> None:
        """It is committed soon, in the order in which this was called."""
        with self._turn:
            if place in self._unsettled:
                self._unsettled.discard(place)
                self._settled.append((place, how))
                self._turn.notify_all()

    def end(self) -> None:
        """Give back what is not settled, and leave the group; soon."""
        with self._turn:
            self._is_ending = True
            self._turn.notify_all()

    def join(self, timeout: float) -> bool:
        """Wait until it has ended."""
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def forked(self) -> None:
        """In a child: the thread is not here."""
        self._turn = threading.Condition()
        self._state = "ended"
        if self._consumer is not None:
            leak(self._consumer)

    # ------------------------------------------------------------------ its thread

    def _run(self) -> None:
        say_preview()
        consumer: ShareConsumer | None = None
        try:
            consumer = self._consumer = ShareConsumer(self._settings)
            consumer.subscribe([self.queue])
            self._work(consumer)
        except Exception as error:  # noqa: BLE001  (whatever it is, somebody waits)
            self._owner.failed(self, error)
        finally:
            if consumer is not None:
                self._leave(consumer)
            self._consumer = None
            with self._turn:
                self._go("ended")

    def _work(self, consumer: ShareConsumer) -> None:
        while True:
            with self._turn:
                while not self._is_ending and not self._settled and self._state != "fetching":
                    self._turn.wait()
                if self._is_ending:
                    return
                settled, self._settled = self._settled, []
            if settled:
                self._commit(consumer, settled)
                self._rest()
            else:
                self._look(consumer)

    def _look(self, consumer: ShareConsumer) -> None:
        # What comes within this slice may have been taken in the one before.
        since = time.monotonic() - SLICE
        is_joining = since < self._joining_until
        records: list[Record] = []
        for record in consumer.poll(JOINING_SLICE if is_joining else SLICE):
            if (error := record.error()) is None:
                records.append(record)
            elif error.code() in GONE:
                # Whether it is so is asked elsewhere.
                continue
            else:
                LOG.info("queue '%s': %s", self.queue, error.str())
        if not records:
            if is_joining:
                consumer.subscribe([self.queue])
            self._owner.looked(self)
            return
        self._joining_until = 0.0
        with self._turn:
            self._unsettled = {_place(record) for record in records}
            self._go("busy")
        self._owner.arrived(self, records, since)

    def _commit(self, consumer: ShareConsumer, settled: Sequence[tuple[Place, AcknowledgeType]]) -> None:
        for (partition, offset), how in settled:
            try:
                consumer.acknowledge_offset(self.queue, partition, offset, how)
            except (IllegalStateException, KafkaException) as error:
                LOG.info("queue '%s': offset %d of partition %d: %s", self.queue, offset, partition, error)
        try:
            outcome: Mapping[TopicPartition, KafkaException | None] = consumer.commit_sync(COMMIT)
        except KafkaException as error:
            LOG.warning("queue '%s': not settled, it will come again: %s", self.queue, error_of(error, "commit"))
            return
        for where, failed in outcome.items():
            if failed is not None:
                # Which of them, the broker does not say.
                LOG.log(
                    logging.INFO if failed.args[0].code() == KafkaError.INVALID_RECORD_STATE else logging.WARNING,
                    "queue '%s': some of partition %d were not settled, and may come again: %s",
                    self.queue,
                    where.partition,
                    failed.args[0].str(),
                )

    def _rest(self) -> None:
        with self._turn:
            if self._state != "busy" or self._unsettled or self._settled:
                return
            self._go("resting")
        self._owner.rested(self)

    def _leave(self, consumer: ShareConsumer) -> None:
        with self._turn:
            rest = self._settled + [(place, AcknowledgeType.RELEASE) for place in sorted(self._unsettled)]
            self._settled, self._unsettled = [], set()
        try:
            for (partition, offset), how in rest:
                consumer.acknowledge_offset(self.queue, partition, offset, how)
        except (IllegalStateException, KafkaException) as error:
            LOG.info("queue '%s': %s", self.queue, error)
        try:
            consumer.close()
        except (IllegalStateException, KafkaException) as error:
            LOG.info("queue '%s': %s", self.queue, error)

    def _go(self, state: State) -> None:
        """With the lock."""
        self._state = state
        self.since = time.monotonic()
        self._turn.notify_all()


def _place(record: Record) -> Place:
    partition, offset = record.partition(), record.offset()
    assert partition is not None
    assert offset is not None
    return partition, offset
