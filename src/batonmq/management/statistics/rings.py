"""How long samples are kept, and at what intervals: rings of slots, whose oldest is overwritten."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

__all__ = ["BRIEF", "LONG", "SAMPLE_SECONDS", "WHOLE", "Geometry", "Ring"]

SAMPLE_SECONDS: Final = 5
"""How often counters are read. A tick is that many seconds of the epoch: all objects have samples of the same times."""

MINUTE: Final = 60 // SAMPLE_SECONDS
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR


@dataclass(frozen=True, slots=True)
class Ring:
    """A number of slots, one for every ``step`` ticks; ``at``: their offset among the slots of all rings."""

    step: int
    slots: int
    at: int

    def place(self, tick: int) -> int:
        """The slot of that tick, which is a multiple of ``step``."""
        return self.at + tick // self.step % self.slots

    @property
    def seconds(self) -> int:
        """How far back it reaches, in seconds."""
        return self.step * (self.slots - 1) * SAMPLE_SECONDS


class Geometry:
    """The rings in which each counter of an object is kept, the finest first."""

    __slots__ = ("rings", "slots")

    def __init__(self, *rings: tuple[int, int]) -> None:
        """Each ring: the ticks between two samples, and how long it is, in ticks."""
        found: list[Ring] = []
        self.slots = 0
        for step, length in rings:
            found.append(Ring(step, length // step + 1, self.slots))
            self.slots += found[-1].slots
        self.rings = tuple(found)

    def ring(self, seconds: int, step: int) -> Ring:
        """The ring for a look that many seconds back at one sample in ``step`` seconds.

        The finest that reaches so far, or the one that reaches furthest; where one sample in ``step`` seconds is in a
        coarser one as well, the finer is as good.
        """
        for ring in self.rings:
            if ring.seconds >= seconds:
                return ring
        return self.rings[-1]


BRIEF: Final = Geometry((1, MINUTE), (MINUTE, HOUR))
"""A minute and an hour, in 296 bytes a counter: for objects that come and go with clients."""

LONG: Final = Geometry((1, MINUTE), (MINUTE, HOUR), (HOUR // 2, DAY))
"""A minute, an hour and a day, in 492 bytes a counter."""

WHOLE: Final = Geometry((1, 10 * MINUTE), (MINUTE, HOUR), (10 * MINUTE, DAY))
"""Ten minutes, an hour and a day, with more samples in each: for the few that every page shows."""
