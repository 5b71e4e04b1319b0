"""Isolates the broker's own faults: work for one queue or one session may fail without harm to the others.

A queue whose work raises an exception does nothing more in that turn. It tries again after a second. When that has
failed some times, the queue is set aside: paused, with the reason in listings, until somebody resumes or deletes it, or
the broker starts again. It still accepts messages. A fault is logged once, with the queue's name.
"""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from batonmq.broker.model.scheduled import Scheduled

if TYPE_CHECKING:
    from collections.abc import Callable

    from batonmq.broker.model.timetable import Timetable
    from batonmq.clock import Clock

log = logging.getLogger("batonmq.broker")

P = ParamSpec("P")
T = TypeVar("T")

# This many faults, each within this many seconds of the last, set a queue aside.
STRIKES = 3
STRIKES_SECONDS = 60.0
RETRY_SECONDS = 1.0


class Strikes:
    """The faults in one queue's work."""

    __slots__ = ("_at", "_count", "_reason")

    def __init__(self) -> None:
        self._at = 0.0
        self._count = 0
        self._reason = ""

    def add(self, reason: str, now: float) -> tuple[int, bool]:
        """Count a fault; returns how many there were lately, and whether it is a new one.

        ``now``: monotonic seconds.
        """
        self._count = self._count + 1 if now - self._at <= STRIKES_SECONDS else 1
        self._at = now
        is_new, self._reason = reason != self._reason, reason
        return self._count, is_new

    def forget(self) -> None:
        """Start counting again."""
        self._count, self._reason = 0, ""


class Faults:
    """Where unexpected exceptions end."""

    __slots__ = ("_clock", "_timetable")

    def __init__(self, timetable: Timetable, clock: Clock) -> None:
        self._timetable = timetable
        self._clock = clock

    def attempt(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T | None:
        """Do the work; None: it has failed."""
        try:
            return work(*args, **kwargs)
        except Exception as fault:
            self._struck(work, args, fault, None)
            return None

    def insist(self, again: Callable[[], None], work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T | None:
        """Do the work; after a fault call ``again`` later, unless the queue is set aside by then."""
        try:
            return work(*args, **kwargs)
        except Exception as fault:
            self._struck(work, args, fault, again)
            return None

    def _struck(
        self, work: object, args: tuple[object, ...], fault: Exception, again: Callable[[], None] | None
    ) -> None:
        for candidate in (work, *args):
            owner = _owner_of(candidate)
            queue = owner if isinstance(owner, Scheduled) else getattr(owner, "queue", None)
            if isinstance(queue, Scheduled):
                self._strike(queue, fault, again or queue.touch)
                return
        log.error("a fault of the broker's own in %s", _named(work), exc_info=fault)
        broken = getattr(_owner_of(work), "broken", None)
        if broken is not None:
            self.attempt(broken)

    def _strike(self, queue: Scheduled, fault: Exception, again: Callable[[], None]) -> None:
        reason = f"{type(fault).__name__}: {fault}"
        count, is_new = queue.struck(reason, self._clock.monotonic())
        if is_new:
            log.error("a fault of the broker's own in the work of %r", queue, exc_info=fault)
        if queue.deleted or queue.fault:
            return
        if count < STRIKES:
            self._timetable.after(RETRY_SECONDS, again)
            return
        log.error(
            "%r is set aside after %d faults: %s; nothing is handed out until it is resumed", queue, count, reason
        )
        queue.set_aside(reason)


def _owner_of(work: object) -> object:
    """The object that the work belongs to: that of its method, or its argument."""
    while isinstance(work, partial):
        for argument in work.args:
            if isinstance(argument, Scheduled):
                return argument
        work = work.func
    return getattr(work, "__self__", work)


def _named(work: object) -> str:
    while isinstance(work, partial):
        work = work.func
    return getattr(work, "__qualname__", repr(work))
