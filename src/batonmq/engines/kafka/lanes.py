"""Messages for one topic: as many as can be on their way are with the client below, and the rest waits here.

librdkafka asks without a pause whether it may send a batch that it may not send yet. For a hundred messages in batches
of one that took 20 ms of CPU, in which the broker had no processor: they were confirmed after 70 to 140 ms, and after
25 with 4.5 ms of CPU where no batch waits there (Kafka 4.4 on the same two busy cores, librdkafka 2.16).
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

from confluent_kafka import KafkaError

from batonmq.engines.futures import Future
from batonmq.engines.kafka.headers import Headers
from batonmq.errors import BatonError

__all__ = ["Delivered", "Lane", "Record", "Sending"]

Record = tuple[bytes, Headers]
Delivered = Callable[[KafkaError | None, object], None]
"""The client's callback for each message."""

# As many batches as an idempotent producer has on their way to one broker (max.in.flight.requests.per.connection).
IN_FLIGHT: Final = 5
# How long a topic that was seen is assumed to exist, in seconds. A producer asks for the topics that it sends to, and a
# broker that creates topics by itself would create a deleted one again.
SEEN: Final = 5.0


class Sending:
    """Messages that were sent together. To be used under the publisher's lock."""

    __slots__ = ("_confirmed", "_records", "_taken", "_wanted", "error", "future", "queue", "until")

    def __init__(self, queue: str, records: Sequence[Record], until: float) -> None:
        """``until``: when it is given up, in monotonic seconds."""
        self.queue = queue
        self.until = until
        self.future: Future[None] = Future()
        self.error: BatonError | ValueError | None = None
        """The error, if not everything is confirmed."""
        self._records = records
        self._taken = self._confirmed = 0
        self._wanted = len(records)

    @property
    def left(self) -> int:
        """How many messages wait here."""
        return self._wanted - self._taken

    @property
    def is_over(self) -> bool:
        """Does everything that the client took have an outcome, and does nothing wait?"""
        return self._confirmed >= self._wanted

    def next(self, most: int) -> Sequence[Record]:
        """The next messages for the client below; ``taken`` says how many it takes."""
        if most >= self._wanted == len(self._records) and not self._taken:
            return self._records
        return self._records[self._taken : min(self._taken + most, self._wanted)]

    def taken(self, number: int) -> None:
        """Count messages passed to the client."""
        self._taken += number

    def confirmed(self) -> None:
        """Count an outcome from the client."""
        self._confirmed += 1

    def failed(self, error: BatonError | ValueError) -> None:
        """One message was not confirmed, so neither is the whole: waiting ones are not sent any more."""
        self.error = self.error or error
        self._wanted = self._taken

    def finish(self) -> None:
        """Resolve the future; without the lock, as the sender may send again at once."""
        if self.error is None:
            self.future.resolve(None)
        else:
            self.future.fail(self.error)


class Lane:
    """The messages for one topic. To be used under the publisher's lock."""

    __slots__ = ("_batch", "_known_until", "_most", "_on_their_way", "_waiting", "topic")

    def __init__(self, topic: str, partitions: int, batch: int) -> None:
        self.topic = topic
        # Until when the topic is assumed to exist, in monotonic seconds.
        self._known_until = 0.0
        # Sendings with messages that wait here, in order.
        self._waiting: deque[Sending] = deque()
        self._batch = batch
        # Messages; each partition may have another broker.
        self._most = IN_FLIGHT * batch * max(1, partitions)
        self._on_their_way = 0

    @property
    def is_known(self) -> bool:
        """Is the topic assumed to exist? Otherwise it has to be looked up."""
        return self._known_until > time.monotonic()

    def seen(self) -> None:
        """Note that the topic exists."""
        self._known_until = time.monotonic() + SEEN

    def forget(self) -> None:
        """The topic may have been deleted."""
        self._known_until = 0.0

    @property
    def first(self) -> Sending | None:
        """The sending whose messages are next; None: none waits."""
        return self._waiting[0] if self._waiting else None

    def wait(self, sending: Sending) -> None:
        """Put a sending behind the others."""
        self._waiting.append(sending)

    def first_is_sent(self) -> None:
        """The client below has all messages of the first sending: the next one's turn."""
        self._waiting.popleft()

    @property
    def room(self) -> int:
        """How many messages the client may be given now: none, or enough for a batch."""
        room = self._most - self._on_their_way
        return room if room >= self._batch else 0

    def departed(self, number: int) -> None:
        """Count messages passed to the client."""
        self._on_their_way += number

    def arrived(self) -> None:
        """Count an outcome from the client."""
        self._on_their_way -= 1
