"""A failed attempt to handle a message: what happens to the message, and what is logged."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Literal

from batonmq.api.workers.policy import WorkerOptions, log
from batonmq.api.workers.report import after_giving_up, after_limit, attempt, named, reason_of, reason_text
from batonmq.engines.messages import Message
from batonmq.engines.values import Fate
from batonmq.errors import InvalidMessage, LeaseLost

__all__ = ["FailedAttempt", "told_of_loss"]


class FailedAttempt:
    """One handler's failure with one message."""

    __slots__ = ("_count", "_error", "_message", "_options", "_which", "cause", "pause")

    def __init__(
        self, message: Message, queue: str, count: int, options: WorkerOptions, error: BaseException | None
    ) -> None:
        """`count`: the number of deliveries, this one included.

        Without an error, the last attempt ended with its process or its connection.
        """
        self._message = named(message, queue)
        self._count = count
        self._options = options
        self._error = error
        self._which = attempt(min(count, options.attempts or count), options.attempts)
        self.cause = "the last attempt did not come to an end" if error is None else _cause(error)
        """Why it failed, in one line."""
        self.pause = 0.0
        """Seconds until the next attempt, if there is one."""

    def log_settled(self) -> None:
        """The handler had settled the message before it failed."""
        log.error("%s: its handler failed after it had settled it: %s", self._message, self.cause, exc_info=self._error)

    def judge(self, fate: Fate | None) -> Literal["reject", "reject or release", "try again"]:
        """Decide what to do with the message, and log it.

        "reject or release": the queue would give the message up on its next return, and nobody could see why. So it is
        to be rejected with the reason, where the engine can do that.
        """
        if isinstance(self._error, InvalidMessage):
            # It would be invalid every time.
            log.error("%s is invalid, %s: %s", self._message, after_giving_up(fate), self.cause)
            return "reject"
        limited = after_limit(fate, self._count)
        if self._options.gives_up(self._count):
            self._log_end(after_giving_up(fate))
            return "reject"
        if limited is not None:
            self._log_end(limited)
            return "reject or release"
        self.pause = self._options.retry.pause(self._count)
        log.warning(
            "%s failed at %s, %s: %s",
            self._message,
            self._which,
            # Without a pause the queue decides when.
            f"again in {self.pause:g} s" if self.pause else "again",
            self.cause,
            exc_info=self._error,
        )
        return "try again"

    def _log_end(self, what: str) -> None:
        log.error("%s failed at %s, %s: %s", self._message, self._which, what, self.cause, exc_info=self._error)


def _cause(error: BaseException) -> str:
    # The text is enough: it says what is wrong with the message. A traceback would add nothing.
    return reason_text(str(error)) if isinstance(error, InvalidMessage) else reason_of(error)


@contextlib.contextmanager
def told_of_loss(message: Message, queue: str) -> Iterator[None]:
    """A context manager that logs the loss of a message while the block settles it."""
    try:
        yield
    except LeaseLost:
        log.warning("%s was lost while it was worked on: it comes again", named(message, queue))
