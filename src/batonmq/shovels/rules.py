"""The rules of a shovel: its rate, and what it does with messages that it cannot move."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from batonmq.engines.checks import check_number, check_queue

__all__ = ["RATE_MAX", "RATE_MIN", "ROUNDS", "Lossy", "Rules"]

Lossy = Literal["strip", "set-aside"]
# Above 1, since a message that was moved back by hand and passes again is not a loop.
ROUNDS = 10
UNMOVED = ".unmoved"
# Per second: less than one in eleven days, or more than any machine can do, is a mistake.
RATE_MIN = 1e-6
RATE_MAX = 1e12


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """How fast a shovel moves messages, and what it does with those that it cannot move."""

    rate: float | None = None
    """The most messages per second, above 0; None: no limit."""
    byte_rate: float | None = None
    """The most bytes of bodies per second, above 0; None: no limit."""
    dead_letters: str | None = None
    """The queue beside the source that takes messages which cannot be moved; it is created when first needed.

    None: the name of the source with the suffix ``.unmoved``.
    """
    lossy: Lossy = "strip"
    """What happens to a message with a time to live, a priority or a group that the other side cannot keep: it is moved
    without that, or set aside with the dead letters."""
    rounds: int | None = ROUNDS
    """How often a message may pass the shovel, 1 to 1,000: one more counts as a loop, and it is set aside.

    None: messages are not marked, and loops are not detected."""

    def __post_init__(self) -> None:
        for name in ("rate", "byte_rate"):
            if (value := getattr(self, name)) is not None:
                _check_rate(name, value)
        if self.dead_letters is not None:
            check_queue(self.dead_letters, "dead_letters")
        if self.lossy not in ("strip", "set-aside"):
            raise ValueError(f"lossy is 'strip' or 'set-aside': {self.lossy!r}")
        if self.rounds is not None:
            check_number("rounds", self.rounds, 1, 1000)

    def beside(self, source: str) -> str:
        """The queue that takes messages which cannot be moved from this source."""
        if self.dead_letters is not None:
            return self.dead_letters
        # A name has 255 octets at most (AMQP 0-9-1, 4.2.5.3: short strings).
        cut = source.encode()[: 255 - len(UNMOVED)].decode(errors="ignore")
        return f"{cut}{UNMOVED}"


def _check_rate(name: str, value: object) -> None:
    """Raises TypeError, ValueError."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise TypeError(f"{name} is a number, not {type(value).__name__}")
    if not RATE_MIN <= value <= RATE_MAX:
        raise ValueError(f"{name} is {RATE_MIN:g} to {RATE_MAX:g}: {value}")
