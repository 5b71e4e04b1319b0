"""A queue's messages in their order: a window of the head in memory, the rest in the store."""

from __future__ import annotations
