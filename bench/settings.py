"""What a run of the bench was asked for."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

__all__ = ["ROOT", "Settings", "say"]

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


def say(text: str) -> None:
    """Progress, to stderr: what is printed to stdout is the result."""
    print(text, file=sys.stderr, flush=True)
