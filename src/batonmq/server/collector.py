"""The cyclic garbage collector, set for a process that holds very many objects which are never in cycles.

Messages waiting in memory are hundreds of thousands of objects, and Python's defaults walk through all of them again
and again: with 300 000 messages waiting that took 45 % of the broker's time (bench/: 6.2 us a message against 3.5 us).
What comes at the pace of clients lies in no cycle: a session comes apart when its connection ends (`CommitBarrier`).
"""

from __future__ import annotations

import gc

__all__ = ["tune_collector"]

# Young objects are looked at once in so many, and once more in five times as many: each as often as with any other
# number, and the loop stands still for 1 ms and 6 ms at a time beside a siege (7 ms and 30 ms with 20,000).
YOUNG = 4_000
MIDDLE = 5
# The old are looked at when this many rounds of the middle have passed: every 100 million new objects or so.
OLD = 5_000


def tune_collector() -> None:
    """For a process that is a broker and nothing else; a program that embeds one keeps its own settings."""
    gc.collect()
    # Modules, classes and functions live as long as the process.
    gc.freeze()
    gc.set_threshold(YOUNG, MIDDLE, OLD)
