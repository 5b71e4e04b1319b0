"""What stops a measurement."""

from __future__ import annotations

__all__ = ["BenchError"]


class BenchError(Exception):
    """Something that the measurement needs is missing or has failed; the text is one line for whoever typed it."""
