"""Queues: every message enters through one place and leaves through one place."""

from __future__ import annotations
