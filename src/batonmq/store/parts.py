"""Batches whose commit was put off: consumers hold their messages, or those before them, and often settle them before
the disk is asked.
"""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING

from batonmq.queued import HELD
from batonmq.store.records import POSITION_BITS

if TYPE_CHECKING:
    from batonmq.queued import QueuedMessage

__all__ = ["PARTS_MAX", "Parts"]

# A message that is settled is looked for in each of them.
PARTS_MAX = 16


class Part:
    """One of these batches."""

    __slots__ = ("batch", "began", "inserts", "octets")

    def __init__(self, batch: int, inserts: dict[int, QueuedMessage], octets: int) -> None:
        self.batch = batch
        self.began = perf_counter()
        self.inserts = inserts
        self.octets = octets


class Parts:
    """The batches that were put off, oldest first."""

    __slots__ = ("_first", "_parts", "octets", "served")

    def __init__(self) -> None:
        self._parts: list[Part] = []
        # Those before it are empty.
        self._first = 0
        self.octets = 0
        """The bytes of their messages, as the store counts them."""
        self.served: set[int] = set()
        """The lanes of which a consumer has held a message of theirs, or of the batch that is about to be put off."""

    def __len__(self) -> int:
        return len(self._parts)

    def add(self, batch: int, inserts: dict[int, QueuedMessage], octets: int) -> None:
        """Put off a batch of that number."""
        self._parts.append(Part(batch, inserts, octets))
        self.octets += octets

    def has(self, row: int) -> bool:
        """Is the message of that row in one of them?"""
        return any(row in part.inserts for part in self._parts)

    def replace(self, heir: QueuedMessage) -> bool:
        """Put another object in the place of the message of that row; False: it is in none of them."""
        for part in self._parts:
            if heir.row in part.inserts:
                part.inserts[heir.row] = heir
                return True
        return False

    def pop(self, row: int) -> tuple[bool, bool]:
        """Take out the message of that row: was it in one of them? And is the oldest of them empty now?"""
        parts = self._parts
        first = self._first
        for index in range(first, len(parts)):
            inserts = parts[index].inserts
            if inserts.pop(row, None) is None:
                continue
            if inserts or index != first:
                return True, False
            first += 1
            while first < len(parts) and not parts[first].inserts:
                first += 1
            self._first = first
            return True, index == 0
        return False, False

    def are_served(self, inserts: dict[int, QueuedMessage]) -> bool:
        """Do consumers hold each of these messages, or one before it in its lane? The batch may be put off then."""
        served = self.served
        last = 0
        for queued in inserts.values():
            lane = queued.row >> POSITION_BITS
            if lane == last:
                continue
            if queued.state == HELD:
                served.add(lane)
            elif lane not in served:
                return False
            last = lane
        return True

    def may_begin(self, count: int, now: float) -> bool:
        """The last so many were made in one turn, which is over: may they be put off, from now on?"""
        newest = self._parts[len(self._parts) - count :]
        for part in newest:
            if not self.are_served(part.inserts):
                return False
        for part in newest:
            part.began = now
        return True

    def began(self) -> float:
        """When the oldest ended; 0.0: there is none."""
        return self._parts[0].began if self._parts else 0.0

    def take_empty(self) -> list[Part]:
        """Take the oldest ones out, up to the first that has messages."""
        parts = self._parts
        count = 0
        while count < len(parts) and not parts[count].inserts:
            self.octets -= parts[count].octets
            count += 1
        found = parts[:count]
        del parts[:count]
        self._first = 0
        if not parts:
            self.served.clear()
        return found

    def take_all(self, latest: dict[int, QueuedMessage]) -> dict[int, QueuedMessage]:
        """Take all messages out, in order, with ``latest`` after them."""
        found: dict[int, QueuedMessage] = {}
        for part in self._parts:
            found.update(part.inserts)
        found.update(latest)
        self._parts.clear()
        self.served.clear()
        self._first = self.octets = 0
        return found
