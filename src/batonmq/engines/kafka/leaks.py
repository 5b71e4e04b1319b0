"""Keeps objects of the client that a forked child must not destroy: that would wait for the parent's threads."""

from __future__ import annotations

import ctypes
import sys

__all__ = ["leak"]


def leak(thing: object) -> None:
    """Keep an object for the life of this process."""
    if sys.implementation.name == "cpython":
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(thing))
