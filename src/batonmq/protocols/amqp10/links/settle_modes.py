"""Names of a sender's settle modes (part 2 §2.8.2)."""

from __future__ import annotations

from typing import Final

_WORDS: Final = {0: "unsettled", 1: "settled"}


def settle_mode(mode: int | None) -> str:
    """The specification's name of a snd-settle-mode: unsettled, settled, or mixed, which is also the default."""
    return _WORDS.get(mode, "mixed") if mode is not None else "mixed"
