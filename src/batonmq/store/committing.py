"""A commit for a host, which turns any error into a result."""

from __future__ import annotations

import logging
from typing import Protocol

from batonmq.errors import StoreError

__all__ = ["Committable", "commit_staged"]

log = logging.getLogger("batonmq.store")


class Committable(Protocol):
    """A store with a staged batch."""

    def commit(self) -> None:
        """Make the staged batch durable. May block; raises StoreError."""


def commit_staged(store: Committable) -> StoreError | None:
    """Commit; returns the error, or None on success. May block."""
    try:
        store.commit()
    except StoreError as error:
        return error
    except Exception as error:
        # A fault of ours. Nothing is confirmed that may not be on the disk.
        log.exception("a commit failed in an unexpected way")
        return StoreError(f"internal error: {error}", "a fault of the broker's own; see its log")
    return None
