"""The contract of the Python API as a suite of tests, for authors of engines.

A fixture ``place`` says where the queues are; a test file with one line has everything else::

    from batonmq.testing.contract.suite import *

pytest loads the plugin of this package by itself, so a failing assertion shows both its sides.
"""

from __future__ import annotations

from batonmq.testing.contract.hands import QUIET, SOON, bodies, has_ready, is_not_there, needs, numbered, take
from batonmq.testing.contract.place import Otherwise, Place

__all__ = [
    "QUIET",
    "SOON",
    "Otherwise",
    "Place",
    "bodies",
    "has_ready",
    "is_not_there",
    "needs",
    "numbered",
    "take",
]
