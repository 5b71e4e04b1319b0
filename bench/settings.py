"""What a run of the bench was asked for."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

__all__ = ["ROOT", "Settings", "in_turn", "say"]

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True)
class Settings:
    """Where things are, and how much is measured."""

    folder: Path
    """Where brokers keep their data meanwhile: on a disk."""
    programs: Path
    """Where the load generators are built."""
    rounds: int = 5
    """How often everything is measured; the median counts."""
    quick: bool = False
    """Few messages: whether it works, not how fast."""
    messages: int = 2_000_000
    """How many messages wait in the section `memory`."""

    def count(self, full: int, quick: int) -> int:
        """A number of messages for this run."""
        return quick if self.quick else full


One = TypeVar("One")


def in_turn(those: Sequence[One], number: int) -> list[One]:
    """In an order in which each goes first as often as the others: what one leaves to the disk slows the next.

    ``number`` is the round's, and the scenario's with it, so that in a single round not always the same is first.
    """
    first = number % len(those) if those else 0
    return [*those[first:], *those[:first]]


def say(text: str) -> None:
    """Progress, to stderr: what is printed to stdout is the result."""
    print(text, file=sys.stderr, flush=True)
