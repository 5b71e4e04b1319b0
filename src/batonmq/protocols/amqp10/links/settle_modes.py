"""What a sender settles when it sends (part 2 §2.8.2)."""

from __future__ import annotations

from typing import Final

_WORDS: Final = {0: "unsettled", 1: "settled"}


def settle_mode(mode: int | None) -> str:
    """The specification's word for a snd-settle-mode: unsettled, settled, or mixed, also where nothing was said."""
    return _WORDS.get(mode, "mixed") if mode is not None else "mixed"
