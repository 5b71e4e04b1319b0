"""What engines for brokers say in the same words."""

from __future__ import annotations

from typing import Final

__all__ = ["NOBODY"]

# How the error for a port that nobody listens on ends; who knows how a broker is started may add it.
NOBODY: Final = "is the broker running?"
