"""The unsettled deliveries of one channel, by delivery tag.

Tags are given one after another, and most are settled in the order in which they were given. So the deliveries lie in
blocks of a few tags each: a block is found by one look into a dictionary, and a place in it by counting.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from batonmq.queued import QueuedMessage

__all__ = ["Unsettled"]

# A block has 32 tags. It takes 0.4 KiB, even if a client leaves only one of them unsettled.
BITS: Final = 5
SIZE: Final = 1 << BITS
MASK: Final = SIZE - 1


class _Block:
    """The deliveries of consecutive tags, the first of which is a multiple of their number."""

    __slots__ = ("count", "places")

    def __init__(self) -> None:
        self.places: list[QueuedMessage | None] = [None] * SIZE
        self.count = 0


class Unsettled:
    """Deliveries by tag."""

    __slots__ = ("_blocks", "_last", "_last_number", "count")

    def __init__(self) -> None:
        # None of them is empty but the last one that was used, perhaps.
        self._blocks: dict[int, _Block] = {}
        self._last = _Block()
        self._last_number = -1
        self.count = 0
        """How many there are."""

    def _find(self, number: int) -> _Block | None:
        return self._last if number == self._last_number else self._blocks.get(number)

    def _use(self, number: int) -> _Block:
        """The block of that number, made if it is not there."""
        if number != self._last_number:
            if not self._last.count:
                self._blocks.pop(self._last_number, None)
            block = self._blocks.get(number)
            if block is None:
                block = self._blocks[number] = _Block()
            self._last = block
            self._last_number = number
        return self._last

    def _taken(self, number: int, block: _Block, count: int) -> None:
        """So many of a block were taken."""
        self.count -= count
        block.count -= count
        if not block.count and number != self._last_number:
            del self._blocks[number]

    # ------------------------------------------------------------------ in

    def add(self, tag: int, queued: QueuedMessage) -> None:
        """Add the delivery of a tag that has none."""
        block = self._use(tag >> BITS)
        block.places[tag & MASK] = queued
        block.count += 1
        self.count += 1

    def add_all(self, tag: int, batch: list[QueuedMessage]) -> None:
        """Add deliveries under consecutive tags from ``tag`` on, none of which has one."""
        begin = 0
        end = len(batch)
        while begin < end:
            block = self._use(tag >> BITS)
            place = tag & MASK
            part = batch[begin : begin + SIZE - place]
            count = len(part)
            block.places[place : place + count] = part
            block.count += count
            begin += count
            tag += count
        self.count += end

    # ------------------------------------------------------------------ out

    def get(self, tag: int) -> QueuedMessage | None:
        """The delivery of that tag; None: there is none."""
        block = self._find(tag >> BITS)
        return None if block is None else block.places[tag & MASK]

    def pop(self, tag: int) -> QueuedMessage | None:
        """Take the delivery of that tag; None: there is none."""
        number = tag >> BITS
        block = self._find(number)
        if block is None:
            return None
        place = tag & MASK
        queued = block.places[place]
        if queued is not None:
            block.places[place] = None
            self._taken(number, block, 1)
        return queued

    def pop_all(self, first: int, last: int) -> list[QueuedMessage]:
        """Take the deliveries from one tag to another, in order."""
        taken: list[QueuedMessage] = []
        for number in range(first >> BITS, (last >> BITS) + 1):
            block = self._find(number)
            if block is None:
                continue
            places = block.places
            begin = first & MASK if number == first >> BITS else 0
            end = (last & MASK) + 1 if number == last >> BITS else SIZE
            before = len(taken)
            for place in range(begin, end):
                queued = places[place]
                if queued is not None:
                    places[place] = None
                    taken.append(queued)
            self._taken(number, block, len(taken) - before)
        return taken

    def clear(self) -> None:
        """Take all."""
        self._blocks.clear()
        self._last = _Block()
        self._last_number = -1
        self.count = 0

    # ------------------------------------------------------------------ looking

    def items(self) -> Iterable[tuple[int, QueuedMessage]]:
        """Tags and deliveries, in the order of the tags."""
        for number in sorted(self._blocks):
            tag = number << BITS
            for queued in list(self._blocks[number].places):
                if queued is not None:
                    yield tag, queued
                tag += 1
