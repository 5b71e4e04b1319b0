"""Who waits for the prefetch that a channel's consumers share: basic.qos with global=true, as RabbitMQ has it.

A consumer that would take a message, but for the channel's limit, stands here. When the channel has room again, as many
are called as it has room for: a queue's consumers by their priority, the longest waiting first, and the queues in turn,
so that none is starved. Calling all would cost each acknowledgement as much as the channel has consumers.
"""

from __future__ import annotations

import heapq
from collections import OrderedDict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from batonmq.broker.model.consumer import Source
    from batonmq.protocols.amqp091.consuming import AmqpConsumer


class Line:
    """See the module."""

    __slots__ = ("_by_queue", "_last", "_places")

    def __init__(self) -> None:
        # Entries of those who left stay in the heaps until they are met, or become too many.
        self._by_queue: OrderedDict[Source, list[tuple[int, int, AmqpConsumer]]] = OrderedDict()
        self._places: dict[AmqpConsumer, int] = {}
        self._last = 0

    def __bool__(self) -> bool:
        return bool(self._places)

    def __contains__(self, consumer: object) -> bool:
        return consumer in self._places

    def join(self, consumer: AmqpConsumer) -> None:
        """Stand in line, unless it does already."""
        if consumer in self._places:
            return
        self._last = place = self._last + 1
        self._places[consumer] = place
        heap = self._by_queue.setdefault(consumer.queue, [])
        if len(heap) > 2 * len(self._places) + 64:
            heap[:] = [entry for entry in heap if self._places.get(entry[2]) == entry[1]]
            heapq.heapify(heap)
        heapq.heappush(heap, (-consumer.priority, place, consumer))

    def leave(self, consumer: AmqpConsumer) -> None:
        """It wants nothing any more."""
        self._places.pop(consumer, None)

    def next(self) -> AmqpConsumer | None:
        """Who is served next, no longer in line."""
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
