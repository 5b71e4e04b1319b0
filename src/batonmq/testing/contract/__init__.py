"""The contract of the Python API as a suite of tests, for whoever writes an engine.

A fixture ``place`` says where the queues are; a file of tests has everything else::

    from batonmq.testing.contract.suite import *

pytest finds the plugin of this package by itself, so that an assertion that fails shows both its sides.
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
