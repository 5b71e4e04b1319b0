"""`batonmq move`: everything that is at one place, taken to another."""

from __future__ import annotations
