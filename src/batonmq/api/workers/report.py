"""The texts of a worker's log about a failed message: which one, why, and what happens to it."""

from __future__ import annotations

import traceback

from batonmq.engines.messages import Message
from batonmq.engines.values import Fate

__all__ = ["after_giving_up", "after_limit", "attempt", "named", "reason_of", "reason_text"]

# Characters of an error that a dead letter carries: it has room for more, but should fit a screen.
REASON_MAX = 1000


def named(message: Message, queue: str) -> str:
    """The message in words: its id, if it has one."""
    return f"a message of queue {queue!r}" if message.id is None else f"message {message.id!r} of queue {queue!r}"


def attempt(count: int, attempts: int | None) -> str:
    """The attempt in words."""
    return f"attempt {count}" if attempts is None else f"attempt {count} of {attempts}"


def reason_of(error: BaseException) -> str:
    """An error as a dead letter carries it: its type and its text."""
    return reason_text("".join(traceback.format_exception_only(error)).strip())


def reason_text(text: str) -> str:
    """A text as a dead letter carries it."""
    # The text of an error need not be valid Unicode.
    return text[:REASON_MAX].encode(errors="replace").decode()


def after_giving_up(fate: Fate | None) -> str:
    """Where a rejected message goes; None: only the broker knows."""
    if fate is None:
        return "rejected, to the dead letters of the queue if it has any"
    if fate.dead_letter is None:
        return "dropped, as the queue has no dead letters"
    return f"to {fate.dead_letter}"


def after_limit(fate: Fate | None, count: int) -> str | None:
    """Where a message goes when it has been given back too often; None: it comes again."""
    if fate is None or fate.max_deliveries is None or count < fate.max_deliveries:
        return None
    return f"{after_giving_up(fate)}: the queue hands it out {fate.max_deliveries} times at most"
