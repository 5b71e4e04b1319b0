"""A connection of STOMP counts as one channel, wherever channels are listed."""

from __future__ import annotations

from typing import Final

CHANNEL: Final = 1
"""Its number."""
