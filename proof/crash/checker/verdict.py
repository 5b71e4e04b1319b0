"""The outcome of a check: counts, and what was broken."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

__all__ = ["KINDS", "Verdict"]

KINDS = (
    "missing",
    "returned",
    "doubled",
    "unknown",
    "order",
    "unmarked",
    "overmarked",
    "count",
    "limit",
    "early",
    "shared",
    "torn",
    "fault",
)
SHOWN = 50


@dataclass(slots=True)
class Verdict:
    """What was counted and what was broken."""

    counts: Counter[str] = field(default_factory=Counter)
    """`sent`, `confirmed`, `received`, `accepted`, `settled` (promised), `transactions`."""
    uses: Counter[str] = field(default_factory=Counter)
    """How often each feature was used, by the names of `proof.crash.checker.uses`."""
    broken: Counter[str] = field(default_factory=Counter)
    """How often each promise was broken, by the names of the package's docstring."""
    examples: list[str] = field(default_factory=list)
    """A line for each of the first."""

    @property
    def is_kept(self) -> bool:
        """Whether every promise was kept."""
        return not self.broken

    def breaks(self, kind: str, text: str) -> None:
        """A promise was broken."""
        self.broken[kind] += 1
        if len(self.examples) < SHOWN:
            self.examples.append(f"{kind}: {text}")

    def add(self, other: Verdict) -> None:
        """Take in what a later part of the run has shown."""
        self.counts += other.counts
        # Not by +, which forgets what was never used.
        self.uses.update(other.uses)
        self.broken += other.broken
        self.examples += other.examples[: SHOWN - len(self.examples)]
