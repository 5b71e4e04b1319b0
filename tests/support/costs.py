"""What a password costs in tests: next to nothing.

Each broker checks the first one anew. That takes 50 ms of CPU, and a second where all processors are busy, as it gets
what they have left. Cases for which a check has to take its time ask for ``at_full_cost``.
"""

from __future__ import annotations

from batonmq.server import passwords

__all__ = ["FULL_COST", "make_passwords_cheap"]

FULL_COST = passwords.N
"""What it costs users."""


def make_passwords_cheap() -> None:
    """In this process, and in those that `forking` makes from it."""
    passwords.N = 2**4
