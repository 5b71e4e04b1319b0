"""What clients were promised about each message, held against what happened: the memory of a soak.

A message is a lane (a producer and a queue) and a number counted from 0 within it; a byte a message remembers what is
known. A message that was promised must end in the hands of a consumer that settles it: having been delivered is not
enough, since a delivery that is not settled comes back.
"""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass

__all__ = ["Ledger", "Stale", "Tally", "Unknown"]

PROMISED, DONE, SETTLED = 1, 2, 4
# A plain basic.ack has no answer. This long after it, in seconds, with the broker alive all the while, it is committed:
# a broker commits every turn, which takes milliseconds, and is given a busy machine's time.
RIPE = 10.0
SHOWN = 20


@dataclass(frozen=True, slots=True)
class Tally:
    """The account of a soak."""

    published: int
    promised: int
    done: int
    settled: int
    lost: int
    returned: int
    torn: int
    unknown: int
    examples: tuple[str, ...]

    @property
    def sound(self) -> bool:
        """Whether every promise was kept."""
        return not (self.lost or self.returned or self.torn or self.unknown)


class Stale(Exception):
    """The connection belongs to a broker that was killed: what it still holds counts no more."""


class Unknown(Exception):
    """There can be no such message."""


class Ledger:
    """Every method may be called from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lanes: list[bytearray] = []
        self._unsure: list[tuple[int, int, int]] = []
        self._acked: deque[tuple[float, int, int]] = deque()
        self._returned = 0
        self._unknown = 0
        self._examples: list[str] = []
        self.life = 0
        """How often the broker was killed: what was acked over a connection of an earlier life promises nothing."""

    def lane(self) -> int:
        """A new producer."""
        with self._lock:
            self._lanes.append(bytearray())
            return len(self._lanes) - 1

    def publish(self, lane: int, count: int = 1) -> int:
        """The number of the first of `count` messages that are about to be published."""
        with self._lock:
            flags = self._lanes[lane]
            flags.extend(bytes(count))
            return len(flags) - count

    def promise(self, lane: int, first: int, count: int = 1) -> None:
        """The broker has confirmed them: from now on they must not be lost."""
        with self._lock:
            flags = self._lanes[lane]
            for number in range(first, first + count):
                flags[number] |= PROMISED

    def unsure(self, lane: int, first: int, count: int) -> None:
        """A commit was asked for and not answered: all of these messages are there, or none."""
        with self._lock:
            self._unsure.append((lane, first, count))

    def see(self, lane: int, number: int, life: int) -> None:
        """A consumer has it in its hands, over a connection of this life.

        Stale when that life is over; Unknown when there can be no such message.
        """
        with self._lock:
            self._current(life)
            if lane >= len(self._lanes) or number >= len(self._lanes[lane]):
                self._unknown += 1
                self._tell(f"message {number} of producer {lane} came, which was never published, or rolled back")
                raise Unknown
            if self._lanes[lane][number] & SETTLED:
                self._returned += 1
                self._tell(f"message {number} of producer {lane} came back after its settlement was committed")

    def acks(self, lane: int, number: int, life: int, now: float) -> None:
        """It is about to be acknowledged without an answer; Stale when the life is over, and then it must not be.

        Before, not after: what an earlier life has acknowledged without an entry here would count as lost.
        """
        with self._lock:
            self._current(life)
            self._lanes[lane][number] |= DONE
            self._acked.append((now, lane, number))

    def commits(self, lane: int, number: int, life: int) -> None:
        """A transaction that acknowledges it is about to be committed; Stale as with acks()."""
        with self._lock:
            self._current(life)
            self._lanes[lane][number] |= DONE

    def settle(self, lane: int, number: int) -> None:
        """Its settlement is committed, the broker says: it must not come back."""
        with self._lock:
            self._lanes[lane][number] |= DONE | SETTLED

    def ripen(self, now: float) -> None:
        """What was acknowledged long enough ago counts as committed."""
        with self._lock:
            while self._acked and self._acked[0][0] <= now - RIPE:
                _, lane, number = self._acked.popleft()
                self._lanes[lane][number] |= SETTLED

    def dies(self, now: float) -> None:
        """The broker is about to be killed: the latest acknowledgements may be lost, and their messages come back."""
        self.ripen(now)
        with self._lock:
            self.life += 1
            self._acked.clear()

    def waiting(self) -> int:
        """How many messages were promised and no consumer has settled."""
        with self._lock:
            return sum(flags.count(PROMISED) for flags in self._lanes)

    def tally(self) -> Tally:
        """The account, once everything that the broker has was consumed."""
        with self._lock:
            lost = sum(flags.count(PROMISED) for flags in self._lanes)
            for lane, flags in enumerate(self._lanes):
                number = flags.find(PROMISED)
                if number >= 0:
                    self._tell(f"message {number} of producer {lane} was confirmed and never came")
            torn = 0
            for lane, first, count in self._unsure:
                done = sum(1 for flag in self._lanes[lane][first : first + count] if flag & DONE)
                if 0 < done < count:
                    torn += 1
                    self._tell(f"of a transaction of {count} messages of producer {lane}, from {first}, {done} came")
            return Tally(
                published=sum(map(len, self._lanes)),
                promised=self._holding(PROMISED),
                done=self._holding(DONE),
                settled=self._holding(SETTLED),
                lost=lost,
                returned=self._returned,
                torn=torn,
                unknown=self._unknown,
                examples=tuple(self._examples),
            )

    def _holding(self, flag: int) -> int:
        values = [value for value in range(8) if value & flag]
        return sum(flags.count(value) for flags in self._lanes for value in values)

    def _current(self, life: int) -> None:
        if life != self.life:
            raise Stale

    def _tell(self, example: str) -> None:
        if len(self._examples) < SHOWN:
            self._examples.append(example)
