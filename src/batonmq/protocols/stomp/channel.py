"""A connection of STOMP counts as one channel in listings."""

from __future__ import annotations

from typing import Final

CHANNEL: Final = 1
"""Its number."""
