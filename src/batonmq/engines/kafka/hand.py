"""One share consumer with its thread: it takes a batch, and no other until all of that is settled.

    resting --(fetch)--> fetching --(a batch comes)--> busy --(all is settled and committed)--> resting
    resting, fetching --(retire, and nothing comes)--> leaving --> ended
    any --(end, a failure)--> leaving --> ended

While it is fetching, the client may have a request at the broker all the time: messages that come then are ours,
requested or not. At rest it takes nothing.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Container, Mapping, Sequence
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
from batonmq.errors import AccessRefused, BatonError

__all__ = ["FAREWELL", "SLICE", "Hand", "Owner", "Place"]

Place: TypeAlias = tuple[int, int]
"""Partition and offset."""
State = Literal["resting", "fetching", "busy", "leaving", "ended"]

# How long one poll of the client takes, in seconds: an end is noticed after that.
SLICE: Final = 0.25
# A new member is told of no partition at first, and its client asks again only after 5 s, unless it subscribes again:
# then the first message comes after 0.02 to 0.4 s (Kafka 4.4). It does so until one comes, for this many seconds.
JOINING: Final = 6.0
JOINING_SLICE: Final = 0.1
# The most offsets in a line of the log.
SAID: Final = 20
# How long a fetch waits at the broker.
FETCH_WAIT: Final = 200
# Settlements wait this long for the rest of their batch, so that one commit is enough.
GATHER: Final = 0.005
# A commit that takes longer has reached nobody: the locks end by themselves.
COMMIT: Final = 5.0
LAST_COMMIT: Final = 2.0
# When the client gives up a request to a broker that does not answer, in milliseconds. It waits for two, one after the
# other, when it leaves a group.
SILENCE: Final = 5_000
FAREWELL: Final = SLICE + COMMIT + LAST_COMMIT + 2 * SILENCE / 1000 + 2.0
"""The longest time for a consumer to end, in seconds: its current work, the last commit, and leaving."""


class Owner(Protocol):
    """The owner of hands. All calls come from their threads."""

    def arrived(self, hand: Hand, records: Mapping[Place, Record], since: float) -> None:
        """A batch. The broker has counted its lock from ``since`` (monotonic seconds), or later."""

    def looked(self, hand: Hand) -> None:
        """A fetch brought nothing."""

    def rested(self, hand: Hand) -> None:
        """All of its batch is settled."""

    def refused(self, hand: Hand, error: BatonError) -> None:
        """The broker refuses to deliver."""

    def failed(self, hand: Hand, error: Exception) -> None:
        """The client raised a fatal error."""


class Hand:
    """Started by its making, ended by ``end``."""

    def __init__(self, settings: Mapping[str, object], queue: str, size: int, owner: Owner) -> None:
        self.queue = queue
        self.size = size
        """How many messages it requests; a producer's batch comes as a whole."""
        self.since = time.monotonic()
        """When it entered its current state."""
        self._owner = owner
        self._settings = {
            **settings,
            "group.id": queue,
            "share.acknowledgement.mode": "explicit",
            "max.poll.records": size,
            "fetch.wait.max.ms": FETCH_WAIT,
            "socket.timeout.ms": SILENCE,
            "logger": CLIENT_LOG,
        }
        self._turn = threading.Condition()
        self._state: State = "resting"
        self._unsettled: set[Place] = set()
        self._settled: list[tuple[Place, AcknowledgeType]] = []
        # When the first of them was settled.
        self._settled_at = 0.0
        self._is_ending = self._is_retiring = False
        self._consumer: ShareConsumer | None = None
        self._joining_until = time.monotonic() + JOINING
        self._thread = threading.Thread(target=self._run, name=f"batonmq-kafka-{queue}", daemon=True)
        self._thread.start()

    @property
    def state(self) -> State:
        """Its state."""
        return self._state

    @property
    def is_settled(self) -> bool:
        """Is nothing of its batch held? Settlements may not be committed yet."""
        return not self._unsettled

    @property
    def has_joined(self) -> bool:
        """Has it had a message, or enough time for its first? Before that it may have no partitions."""
        return time.monotonic() >= self._joining_until

    def fetch(self) -> bool:
        """Fetch the next batch, if resting, or keep fetching; False: it no longer does."""
        with self._turn:
            if self._state == "resting":
                self._go("fetching")
            elif self._state != "fetching":
                return False
            self._is_retiring = False
            return True

    def retire(self) -> None:
        """Leave the group when nothing comes; what comes is handed over as ever."""
        with self._turn:
            self._is_retiring = True
            self._turn.notify_all()

    def settle(self, place: Place, how: AcknowledgeType) -> bool:
        """Settle a message, to be committed soon, in the order of calls; False: it is not held any more."""
        with self._turn:
            if place not in self._unsettled:
                return False
            self._unsettled.discard(place)
            self._settled.append((place, how))
            is_first = len(self._settled) == 1
            if is_first:
                self._settled_at = time.monotonic()
            if is_first or not self._unsettled:
                self._turn.notify_all()
        return True

    def end(self) -> None:
        """Give back unsettled messages, and leave the group; soon."""
        with self._turn:
            self._is_ending = True
            self._turn.notify_all()

    def join(self, timeout: float) -> bool:
        """Wait until it has ended."""
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def forked(self) -> None:
        """In a forked child: forget the thread, which is the parent's."""
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
            with self._turn:
                self._go("leaving")
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
                if not self._await_work():
                    return
                settled, self._settled = self._settled, []
            if settled:
                self._commit(consumer, settled)
                self._rest()
            else:
                self._look(consumer)

    def _await_work(self) -> bool:
        """Wait for work, with the lock. False: it has to leave."""
        while not self._is_ending:
            if self._settled:
                # Most settle one after the other: a commit for each would cost more than all the rest.
                left = self._settled_at + GATHER - time.monotonic()
                if left <= 0 or not self._unsettled:
                    return True
                self._turn.wait(left)
            elif self._state == "fetching":
                return True
            elif self._is_retiring and self._state == "resting":
                break
            else:
                self._turn.wait()
        self._go("leaving")
        return False

    def _look(self, consumer: ShareConsumer) -> None:
        # What comes within this slice may have been taken in the one before.
        since = time.monotonic() - SLICE
        is_joining = since < self._joining_until
        records: dict[Place, Record] = {}
        for record in consumer.poll(JOINING_SLICE if is_joining else SLICE):
            if (error := record.error()) is None:
                # The type checker misses that they are numbers in a record without an error.
                records[record.partition(), record.offset()] = record  # type: ignore[index]
            else:
                self._told(error)
        if not records:
            if is_joining:
                consumer.subscribe([self.queue])
            with self._turn:
                if self._is_retiring:
                    self._go("resting")
            self._owner.looked(self)
            return
        self._joining_until = 0.0
        with self._turn:
            self._unsettled = set(records)
            self._is_retiring = False
            self._go("busy")
        self._owner.arrived(self, records, since)

    def _told(self, error: KafkaError) -> None:
        if error.code() in GONE:
            # Whether it is so is asked elsewhere.
            return
        told = error_of(error, f"queue '{self.queue}'")
        if isinstance(told, AccessRefused):
            self._owner.refused(self, told)
        else:
            LOG.info("queue '%s': %s", self.queue, error.str())

    def _commit(
        self, consumer: ShareConsumer, settled: Sequence[tuple[Place, AcknowledgeType]], patience: float = COMMIT
    ) -> None:
        """Commit settlements. The log names messages whose commit failed, and that come again: nobody waits for it."""
        queue, acknowledge = self.queue, consumer.acknowledge_offset
        refused: set[Place] = set()
        for place, how in settled:
            try:
                acknowledge(queue, *place, how)
            except (IllegalStateException, KafkaException) as error:
                refused.add(place)
                self._say_unsettled(place[0], [place[1]], str(error))
        try:
            outcome: Mapping[TopicPartition, KafkaException | None] = consumer.commit_sync(patience)
        except (IllegalStateException, KafkaException) as error:
            text = str(error_of(error, "commit"))
            for partition, offsets in _asked(settled, refused).items():
                self._say_unsettled(partition, offsets, text)
            return
        for where, failed in outcome.items():
            if failed is None:
                continue
            offsets = _asked(settled, refused).get(where.partition, [])
            if offsets:
                self._say_unsettled(where.partition, offsets, failed.args[0].str())

    def _say_unsettled(self, partition: int, offsets: Sequence[int], why: str) -> None:
        LOG.warning(
            "queue '%s': %d messages were settled, and the broker has not confirmed it: they may come again "
            "(partition %d, offsets %s): %s",
            self.queue,
            len(offsets),
            partition,
            ", ".join(map(str, offsets[:SAID])) + (", ..." if len(offsets) > SAID else ""),
            why.removeprefix("Broker: "),
        )

    def _rest(self) -> None:
        with self._turn:
            if self._state != "busy" or self._unsettled or self._settled:
                return
            self._go("resting")
        self._owner.rested(self)

    def _leave(self, consumer: ShareConsumer) -> None:
        with self._turn:
            self._go("leaving")
            rest = self._settled + [(place, AcknowledgeType.RELEASE) for place in sorted(self._unsettled)]
            self._settled, self._unsettled = [], set()
        if rest:
            self._commit(consumer, rest, LAST_COMMIT)
        try:
            consumer.close()
        except (IllegalStateException, KafkaException) as error:
            LOG.info("queue '%s': %s", self.queue, error)

    def _go(self, state: State) -> None:
        """With the lock."""
        self._state = state
        self.since = time.monotonic()
        self._turn.notify_all()


def _asked(settled: Sequence[tuple[Place, AcknowledgeType]], refused: Container[Place]) -> dict[int, list[int]]:
    """The offsets that were to be committed, by partition, without those only given back."""
    asked: dict[int, list[int]] = {}
    for place, how in settled:
        if how is not AcknowledgeType.RELEASE and place not in refused:
            asked.setdefault(place[0], []).append(place[1])
    return asked
