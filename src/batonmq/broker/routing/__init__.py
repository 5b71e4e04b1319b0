"""The way of a message to its queues: exchanges, bindings, direct replies."""

from __future__ import annotations
