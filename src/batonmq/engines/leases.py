"""The error texts for messages that are not held any more."""

from __future__ import annotations

from batonmq.errors import Closed, LeaseLost

__all__ = ["lost", "lost_by_transaction", "lost_with"]


def lost() -> LeaseLost:
    """Its lease is over, or it was settled, or its queue was deleted."""
    return LeaseLost("the message is no longer in this receiver's hands")


def lost_with(error: Closed) -> LeaseLost:
    """The error for a message that was held over a connection which is closed."""
    return LeaseLost(f"the message is no longer in these hands: {error}")


def lost_by_transaction() -> LeaseLost:
    """A transaction wanted to accept it."""
    return LeaseLost("a message of the transaction is no longer in these hands; nothing was sent")
