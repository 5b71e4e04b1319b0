"""What was promised about each message of a soak, held against what came: a byte for each, in memory.

A message is a lane (one producer) and a number counted from 0 within it, which stand at the beginning of its body.
Nobody is killed in a soak and everybody who leaves has said what was settled: what is settled never comes again.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass

__all__ = ["Ledger", "Tally", "Unexpected"]

PUBLISHED, PROMISED, DONE = 0, 1, 2
SHOWN = 20


class Unexpected(Exception):
    """There can be no such message, or not any more."""


@dataclass(frozen=True, slots=True)
class Tally:
    """The account of a soak."""

    published: int
    confirmed: int
    settled: int
    lost: int
    """Confirmed, and never settled by anybody."""
    returned: int
    """Came again after they were settled."""
    unknown: int
    """Came though they were never published, or were rolled back."""

    @property
    def sound(self) -> bool:
        """Whether every promise was kept."""
        return not (self.lost or self.returned or self.unknown)


class Ledger:
    """Every method may be called from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lanes: list[bytearray] = []
        self._waiting = 0
        self._returned = 0
        self._unknown = 0
        self.examples: list[str] = []

    def lane(self) -> int:
        """A new producer."""
        with self._lock:
            self._lanes.append(bytearray())
            return len(self._lanes) - 1

    def publish(self, lane: int, count: int) -> int:
        """The number of the first of `count` messages that are about to be published."""
        with self._lock:
            flags = self._lanes[lane]
            flags.extend(bytes(count))
            return len(flags) - count

    def promise(self, lane: int, first: int, count: int) -> None:
        """The broker has confirmed them: from now on they must not be lost."""
        with self._lock:
            flags = self._lanes[lane]
            for number in range(first, first + count):
                self._waiting += not flags[number] & DONE
                flags[number] |= PROMISED

    def see(self, lane: int, number: int) -> None:
        """A consumer has it in its hands. Unexpected when that must not be."""
        with self._lock:
            if lane >= len(self._lanes) or number >= len(self._lanes[lane]):
                self._unknown += 1
                self._tell(f"message {number} of producer {lane} came, which was never published, or rolled back")
                raise Unexpected
            if self._lanes[lane][number] & DONE:
                self._returned += 1
                self._tell(f"message {number} of producer {lane} came again after it was settled")
                raise Unexpected

    def settle(self, lane: int, number: int) -> None:
        """It is about to be settled."""
        with self._lock:
            self._waiting -= self._lanes[lane][number] == PROMISED
            self._lanes[lane][number] |= DONE

    def waiting(self) -> int:
        """How many messages were promised and nobody has settled."""
        with self._lock:
            return self._waiting

    def tally(self) -> Tally:
        """The account, once everything that the broker has was consumed."""
        with self._lock:
            for lane, flags in enumerate(self._lanes):
                if (number := flags.find(PROMISED)) >= 0:
                    self._tell(f"message {number} of producer {lane} was confirmed and never came")
            return Tally(
                published=sum(map(len, self._lanes)),
                confirmed=self._count(PROMISED) + self._count(PROMISED | DONE),
                settled=self._count(DONE) + self._count(PROMISED | DONE),
                lost=self._count(PROMISED),
                returned=self._returned,
                unknown=self._unknown,
            )

    def _count(self, value: int) -> int:
        return sum(flags.count(value) for flags in self._lanes)

    def _tell(self, example: str) -> None:
        # The account may be taken more than once.
        if len(self.examples) < SHOWN and example not in self.examples:
            self.examples.append(example)
