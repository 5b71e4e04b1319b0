"""Error texts that engines for brokers share."""

from __future__ import annotations

from typing import Final

__all__ = ["NOBODY"]

# The end of the error for a port that nobody listens on; callers that know how to start the broker add that.
NOBODY: Final = "is the broker running?"
