"""`batonmq move`: takes everything at one place to another."""

from __future__ import annotations
