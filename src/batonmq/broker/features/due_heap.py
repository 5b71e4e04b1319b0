"""The delayed messages of a queue that are in memory: those that are due next."""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING

from batonmq.broker.model.memory import OVERHEAD

if TYPE_CHECKING:
    from collections.abc import Iterable

    from batonmq.broker.model.memory import Memory
    from batonmq.queued import QueuedMessage

# Due, message, place to return to (0: the tail).
Entry = tuple[int, "QueuedMessage", int]

# Memory holds at most this many of the next due messages of a queue, and half of that after it is trimmed.
HEAP_MESSAGES = 2_048
HEAP_BYTES = 4 << 20


class DueHeap:
    """A heap of times and rows, and by row what waits; its bytes are counted in the broker's budget."""

    __slots__ = ("_heap", "_memory", "_waiting", "bytes")

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        # Due and row, and by row what waits; of a row that is not there any more the heap's entry is skipped.
        self._heap: list[tuple[int, int]] = []
        self._waiting: dict[int, Entry] = {}
        self.bytes = 0
        """The bytes of its messages."""

    def __len__(self) -> int:
        """The number of entries, including those of messages that have left early."""
        return len(self._heap)

    @property
    def next_due(self) -> int:
        """When the first message is due, in ms of the epoch; 0: there is none."""
        return self._heap[0][0] if self._heap else 0

    def messages(self) -> Iterable[QueuedMessage]:
        """The messages, in no order."""
        return [queued for _, queued, _ in self._waiting.values()]

    def push(self, due: int, queued: QueuedMessage, place: int) -> None:
        """Add a message."""
        heapq.heappush(self._heap, (due, queued.row))
        self._waiting[queued.row] = (due, queued, place)
        self._account(queued.message.weight + OVERHEAD)

    def pop(self) -> Entry | None:
        """Take out the message that is due first; None: it has left already."""
        return self.take_out(heapq.heappop(self._heap)[1])

    def find(self, row: int) -> Entry | None:
        """The message of that row; None: it is not in memory."""
        return self._waiting.get(row)

    def take_out(self, row: int) -> Entry | None:
        """Remove the message of that row; None: it is not in memory."""
        entry = self._waiting.pop(row, None)
        if entry is not None:
            self._account(-entry[1].message.weight - OVERHEAD)
        return entry

    def after(self, after: tuple[int, int], most: int) -> list[Entry]:
        """The first messages after a time and a row, in order."""
        behind = [entry for entry in self._waiting.values() if (entry[0], entry[1].row) > after]
        return heapq.nsmallest(most, behind, key=lambda entry: (entry[0], entry[1].row))

    def is_too_large(self, most_bytes: int) -> bool:
        """Does it hold more than it may?"""
        return len(self._heap) > HEAP_MESSAGES or self.bytes > most_bytes

    def trim(self, most_bytes: int) -> tuple[list[Entry], tuple[int, int]]:
        """Take out the messages that are due last, until half of what it may hold is left.

        Returns them, and the time and the row of the last one that stays.
        """
        heap = sorted((entry[0], row) for row, entry in self._waiting.items())
        keep = size = 0
        while keep < len(heap) and keep < HEAP_MESSAGES // 2 and (keep == 0 or size < most_bytes // 2):
            size += self._waiting[heap[keep][1]][1].message.weight + OVERHEAD
            keep += 1
        taken = [self._waiting.pop(row) for _, row in heap[keep:]]
        # A sorted list is a heap.
        self._heap = heap[:keep]
        self._account(size - self.bytes)
        return taken, heap[keep - 1]

    def clear(self) -> None:
        """Forget all of it: none of these messages waits any more."""
        for _, queued, _ in self._waiting.values():
            queued.leave()
        self._heap.clear()
        self._waiting.clear()
        self._account(-self.bytes)

    def _account(self, size: int) -> None:
        self.bytes += size
        self._memory.use(size)
