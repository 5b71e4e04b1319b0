"""The prefetch that a channel's consumers share: basic.qos with global=true, as in RabbitMQ.

A consumer that only the channel's limit keeps from a message stands in line. When the channel has room again, as many
are called as it has room for: a queue's consumers by their priority, the longest waiting first, and the queues in turn,
so that none is starved. Calling all would cost each acknowledgement as much as the channel has consumers.
"""

from __future__ import annotations

import heapq
from collections import OrderedDict
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from batonmq.broker import Consumer
    from batonmq.broker.model.consumer import Source
    from batonmq.protocols.sessions.turn_end import TurnEnd

# An unlimited prefetch as a number.
UNLIMITED: Final = 1 << 60


class Line:
    """Consumers that wait for room."""

    __slots__ = ("_by_queue", "_last", "_places")

    def __init__(self) -> None:
        # Entries of consumers that left stay in the heaps until they are met, or become too many.
        self._by_queue: OrderedDict[Source, list[tuple[int, int, Consumer]]] = OrderedDict()
        self._places: dict[Consumer, int] = {}
        self._last = 0

    def __bool__(self) -> bool:
        return bool(self._places)

    def __contains__(self, consumer: object) -> bool:
        return consumer in self._places

    def join(self, consumer: Consumer) -> None:
        """Put a consumer in line, unless it stands there already."""
        if consumer in self._places:
            return
        self._last = place = self._last + 1
        self._places[consumer] = place
        heap = self._by_queue.setdefault(consumer.queue, [])
        if len(heap) > 2 * len(self._places) + 64:
            heap[:] = [entry for entry in heap if self._places.get(entry[2]) == entry[1]]
            heapq.heapify(heap)
        heapq.heappush(heap, (-consumer.priority, place, consumer))

    def leave(self, consumer: Consumer) -> None:
        """Take a consumer out of the line."""
        self._places.pop(consumer, None)

    def next(self) -> Consumer | None:
        """Take the consumer that is served next out of the line."""
        while self._by_queue:
            queue, heap = self._by_queue.popitem(last=False)
            while heap:
                _, place, consumer = heapq.heappop(heap)
                if self._places.get(consumer) == place:
                    del self._places[consumer]
                    if heap:
                        self._by_queue[queue] = heap
                    return consumer
        return None


class ChannelCredit:
    """How many more messages the consumers of one channel may hold together, and who waits for that."""

    __slots__ = ("_limit", "_line", "_turn_end", "called", "left")

    def __init__(self, turn_end: TurnEnd) -> None:
        self._turn_end = turn_end
        self._limit = 0
        self._line = Line()
        self.left = UNLIMITED
        """The room left, in messages; negative after the limit was lowered."""
        self.called: dict[Consumer, None] = {}
        """The consumers that were called from the line in this turn: one message is reserved for each."""

    @property
    def is_limited(self) -> bool:
        """Does the channel have a limit of its own?"""
        return self._limit > 0

    @property
    def prefetch(self) -> int:
        """The limit; 0: none."""
        return self._limit

    def limit(self, prefetch: int, held: int) -> None:
        """Change the limit, 0 for none; ``held`` is how many messages the consumers hold now."""
        self._limit = prefetch
        self.left = (prefetch or UNLIMITED) - held
        self.call()

    def has_room_for(self, consumer: Consumer) -> bool:
        """Is there room that is not reserved for others?"""
        called = self.called
        return self.left > (len(called) - (consumer in called) if called else 0)

    def take(self, consumer: Consumer, count: int) -> None:
        """Count ``count`` messages given to a consumer: 0 if they need no acknowledgement."""
        self.left -= count
        if self.called:
            self.called.pop(consumer, None)

    def give_back(self, count: int) -> None:
        """Count settled messages."""
        self.left += count

    # ------------------------------------------------------------------ the line

    def join(self, consumer: Consumer) -> None:
        """Put in line a consumer that only the limit keeps from a message."""
        self._line.join(consumer)

    def leave(self, consumer: Consumer) -> None:
        """Take a consumer out of the line."""
        self._line.leave(consumer)

    def has_in_line(self, consumer: Consumer) -> bool:
        """Does the consumer wait for room?"""
        return consumer in self._line

    def call(self) -> None:
        """Call as many of those in line as there is room for.

        If there is nothing for some of them, the next are called when the turn ends.
        """
        called = self.called
        while self.left > len(called) and (consumer := self._line.next()) is not None:
            if consumer.has_room():
                consumer.queue.offer(consumer)
                if consumer.queue.ready_count:
                    called[consumer] = None
        if called:
            self._turn_end.wait(self)

    def turn_ended(self) -> None:
        """Is there room left for others?"""
        self.called.clear()
        self.call()

    def clear(self) -> None:
        """The channel ends."""
        self.called.clear()
        self._line = Line()
