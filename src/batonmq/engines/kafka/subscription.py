"""Takes messages from a queue: by one share consumer, and by more when its held messages keep it from fetching others.

Kafka's client takes a batch, and no other until all of that is settled. So a request that waits while a message of the
batch is still being handled gets another consumer (`crew.py`); and each fetches only while a request waits. No receiver
gets more unsettled messages than the prefetch, however many a producer has put into one batch.

A message may be held as long as the group allows (share.record.lock.duration.ms), and then comes again, to any
receiver; the clock is ours, and starts before the message can have left the broker. After `IDLE` seconds without a
request the receiver leaves the group, so that it takes no message, and keeps no partition, that others could have.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from confluent_kafka import AcknowledgeType, Message as Record

from batonmq.engines.forks import FORKED
from batonmq.engines.futures import Future, resolved
from batonmq.engines.interface import How, Subscription
from batonmq.engines.kafka.crew import Crew
from batonmq.engines.kafka.failures import error_of
from batonmq.engines.kafka.hand import SLICE, Hand, Place
from batonmq.engines.kafka.headers import from_headers
from batonmq.engines.kafka.lookout import Lookout
from batonmq.engines.kafka.names import Topic
from batonmq.engines.kafka.notices import LOG
from batonmq.engines.leases import lost, lost_with
from batonmq.engines.messages import received_message
from batonmq.engines.receives import Receive
from batonmq.engines.values import Incoming
from batonmq.errors import BatonError, Closed, ConnectionLost, NotFound

__all__ = ["KafkaSubscription", "Waiting"]

TICK: Final = 0.1
IDLE: Final = 5.0
# How long a request that stops waiting is kept for messages that are just arriving.
LAST_LOOK: Final = 1.0
HOW: Final = {"accept": AcknowledgeType.ACCEPT, "release": AcknowledgeType.RELEASE, "reject": AcknowledgeType.REJECT}


class Waiting(Protocol):
    """What a subscription needs from its connection."""

    def look_for(self, queue: str) -> Future[Topic]:
        """The topic of a queue. The future fails with NotFound if there is none."""

    def left(self, subscription: KafkaSubscription) -> None:
        """The subscription is closed."""


@dataclass(slots=True)
class _Held:
    """A held message."""

    hand: Hand
    place: Place
    until: float


class KafkaSubscription(Subscription):
    """The subscription to one queue. Its own thread manages the consumers, each of which has a thread, too."""

    def __init__(
        self,
        settings: Mapping[str, object],
        queue: str,
        topic: str,
        prefetch: int,
        lock: float,
        connection: Waiting,
    ) -> None:
        """``lock``: how many seconds the group lets a message be held."""
        self.queue = queue
        self._prefetch = prefetch
        self._lock = lock
        self._connection = connection
        self._turn = threading.Condition(threading.RLock())
        self._crew = Crew(settings, queue, topic, self)
        self._lookout = Lookout(queue, connection.look_for, self._found)
        self._waiting: deque[Receive] = deque()
        self._since: dict[Receive, float] = {}
        self._leaving: dict[Future[list[Incoming]], float] = {}
        self._arrived: deque[Incoming] = deque()
        self._held: dict[object, _Held] = {}
        self._out = 0
        self._number = 0
        self._error: BatonError | None = None
        self._closing: Future[None] | None = None
        self._wanted_at = time.monotonic()
        self._is_forked = False
        self._keeper = threading.Thread(target=self._keep, name=f"batonmq-kafka-keep-{queue}", daemon=True)
        self._keeper.start()

    # ------------------------------------------------------------------ from any thread

    def receive(self, most: int) -> Future[list[Incoming]]:
        request = Receive(most)
        with self._turn:
            self._require_here()
            if self._error is None:
                self._waiting.append(request)
                self._since[request] = self._wanted_at = time.monotonic()
        if self._error is not None:
            request.fail(self._error)
        else:
            self._serve()
        return request

    def withdraw(self, future: Future[list[Incoming]]) -> None:
        with self._turn:
            if future not in self._waiting or future in self._leaving:
                return
            is_full = self._out >= self._prefetch
            # The first fetch takes a while: a request withdrawn at once would never get anything.
            self._leaving[future] = 0.0 if is_full else time.monotonic() + LAST_LOOK
            self._turn.notify_all()

    def settle(self, incoming: Incoming, how: How, reason: str = "", delay: float | None = None) -> None:
        with self._turn:
            try:
                self._require_here()
            except Closed as error:
                raise lost_with(error) from None
            held = self._held.pop(incoming.handle, None)
            if held is None:
                raise lost()
            self._out -= 1
            is_late = held.until < time.monotonic()
            # Settling a message that is late only makes room.
            is_here = held.hand.settle(held.place, HOW["release" if is_late else how])
            is_awaited = bool(self._waiting)
        if is_awaited:
            # There is room for a waiting request.
            self._serve()
        if is_late or not is_here:
            raise lost()

    def holds(self) -> int:
        """How many messages are held here."""
        with self._turn:
            return len(self._held)

    def close(self) -> Future[None]:
        if self._is_forked:
            return resolved(None)
        self.end(Closed("the receiver was closed"), quietly=True)
        assert self._closing is not None
        return self._closing

    def end(self, error: BatonError, *, quietly: bool = False) -> None:
        """Nothing more comes: waiting requests fail, or get nothing if the caller closed it."""
        with self._turn:
            if self._closing is None:
                self._closing = Future()
            self._error = self._error or error
            waiting = list(self._waiting)
            self._waiting.clear()
            self._since.clear()
            self._leaving.clear()
            self._arrived.clear()
            self._held.clear()
            self._out = 0
            self._crew.end()
            self._turn.notify_all()
        for request in waiting:
            if quietly:
                request.resolve([])
            else:
                request.fail(self._error)

    def join(self) -> None:
        """Wait until it has ended."""
        self._keeper.join()

    def forked(self) -> None:
        """In a forked child: forget it."""
        self._turn = threading.Condition(threading.RLock())
        self._is_forked = True
        self._crew.forked()

    def _require_here(self) -> None:
        if self._is_forked:
            raise Closed(FORKED)

    # ------------------------------------------------------------------ from the consumers' threads

    def arrived(self, hand: Hand, records: Mapping[Place, Record], since: float) -> None:
        """A batch has arrived."""
        until = since + self._lock
        with self._turn:
            if self._error is not None:
                # The consumer is ending, and gives it back.
                return
            for number, (place, record) in enumerate(records.items(), self._number + 1):
                self._held[number] = _Held(hand, place, until)
                self._arrived.append(_incoming(record, number))
            self._number += len(records)
        self._serve()

    def looked(self, _hand: Hand) -> None:
        """A fetch brought nothing: requests withdrawn before it began need not wait any longer."""
        now = time.monotonic()
        with self._turn:
            for future in self._leaving:
                asked = self._since.get(future, 0.0)  # type: ignore[call-overload]
                if now - asked >= SLICE:
                    self._leaving[future] = 0.0
            self._turn.notify_all()

    def rested(self, _hand: Hand) -> None:
        """All of a batch is settled."""
        with self._turn:
            self._plan()

    def refused(self, _hand: Hand, error: BatonError) -> None:
        """The broker refuses to deliver: fail waiting requests."""
        self._tell(error)

    def failed(self, hand: Hand, error: Exception) -> None:
        """A consumer has ended: fail waiting requests."""
        told = error_of(error, f"queue '{self.queue}'")
        LOG.info("queue '%s': a consumer ended: %s", self.queue, told)
        with self._turn:
            self._drop(hand)
            has_others = self._crew.has_others()
        if not (has_others and isinstance(told, ConnectionLost)):
            self._tell(told)

    def _tell(self, error: BatonError) -> None:
        """Fail the waiting requests."""
        with self._turn:
            waiting = list(self._waiting)
            for request in waiting:
                self._forget(request)
        for request in waiting:
            request.fail(error)

    # ------------------------------------------------------------------ who gets what

    def _serve(self) -> None:
        """Give arrived messages to requests, then have more fetched."""
        while True:
            with self._turn:
                self._drop_late()
                room = self._prefetch - self._out
                if not self._waiting or not self._arrived or room <= 0:
                    self._plan()
                    return
                request = self._waiting[0]
                self._forget(request)
                count = min(request.most, room, len(self._arrived))
                given = [self._arrived.popleft() for _ in range(count)]
                self._out += count
            request.resolve(given)

    def _forget(self, request: Receive) -> None:
        self._waiting.remove(request)
        self._since.pop(request, None)
        self._leaving.pop(request, None)

    def _drop_late(self) -> None:
        """Drop messages that were not requested in time: the broker gives them to others."""
        now = time.monotonic()
        while self._arrived:
            held = self._held.get(self._arrived[0].handle)
            if held is not None and held.until >= now:
                return
            gone = self._held.pop(self._arrived.popleft().handle, None)
            if gone is not None:
                gone.hand.settle(gone.place, AcknowledgeType.RELEASE)

    def _drop(self, hand: Hand) -> None:
        """A consumer's messages went back with it."""
        for number in [number for number, held in self._held.items() if held.hand is hand]:
            self._held.pop(number)
            arrived = [one for one in self._arrived if one.handle == number]
            if arrived:
                self._arrived.remove(arrived[0])
            else:
                self._out -= 1

    # ------------------------------------------------------------------ the consumers

    def _plan(self) -> None:
        """Have more fetched if a request waits and no message is here. With the lock."""
        room = self._prefetch - self._out
        if self._error is None and self._waiting and not self._arrived and room > 0:
            first = self._waiting[0]
            if not self._crew.take(room, first.most, self._since[first]):
                self._turn.notify_all()

    def _keep(self) -> None:
        """Serve requests in a thread of its own, until the end."""
        while True:
            with self._turn:
                if self._error is not None:
                    break
                self._turn.wait(TICK if self._waiting else 4 * TICK)
                now = time.monotonic()
                gone = [future for future, until in self._leaving.items() if until <= now]
                for future in gone:
                    self._forget(future)  # type: ignore[arg-type]
                self._crew.retire(is_idle=not self._waiting and now - self._wanted_at > IDLE)
            for future in gone:
                future.resolve([])
            self._serve()
            if self._waiting:
                self._lookout.look()
        with self._turn:
            hands = self._crew.end()
        self._crew.join(hands)
        self._connection.left(self)
        assert self._closing is not None
        self._closing.resolve(None)

    def _found(self, error: BatonError) -> None:
        """The queue gives nothing: end if it is gone, otherwise fail the waiting requests."""
        if isinstance(error, NotFound):
            self.end(error)
        else:
            self._tell(error)


def _incoming(record: Record, number: int) -> Incoming:
    count = record.delivery_count() or 1
    # Without a value it is a tombstone.
    body: bytes = record.value() or b""
    # A list of bytes, however the client is configured.
    properties = from_headers(record.headers(), record.key())  # type: ignore[arg-type]
    return Incoming(received_message(body, properties), count, count > 1, number)
