"""BatonMQ: point-to-point messaging. Every message is handed to exactly one consumer."""

from __future__ import annotations

__version__ = "0.1.0"
