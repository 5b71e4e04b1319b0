"""Objects of the client that a forked child must not end: that would wait for threads which only its parent has."""

from __future__ import annotations

import ctypes
import sys

__all__ = ["leak"]


def leak(thing: object) -> None:
    """It is never freed in this process."""
    if sys.implementation.name == "cpython":
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(thing))
