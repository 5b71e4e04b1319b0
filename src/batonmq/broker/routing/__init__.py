"""Routing messages to their queues: exchanges, bindings, direct replies."""

from __future__ import annotations
