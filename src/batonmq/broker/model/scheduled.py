"""A queue, as the scheduler and the faults see it."""

from __future__ import annotations

from abc import abstractmethod

from batonmq.queued import Settlement


class Scheduled(Settlement):
    """Something that is dispatched at the end of a turn, and set aside after repeated failures."""

    __slots__ = ()

    deleted: bool
    """Is it deleted? Then it must not be dispatched."""

    fault: str
    """Why it was set aside; "": it was not."""

    @abstractmethod
    def dispatch(self) -> None:
        """Deliver the messages that can be delivered."""

    @abstractmethod
    def touch(self) -> None:
        """Request its dispatch at the end of the turn."""

    @abstractmethod
    def struck(self, reason: str, now: float) -> tuple[int, bool]:
        """Count a fault in its work; returns how many there were lately, and whether it is a new one.

        ``now``: monotonic seconds.
        """

    @abstractmethod
    def set_aside(self, reason: str) -> None:
        """Do nothing until it is resumed or the broker starts again."""
