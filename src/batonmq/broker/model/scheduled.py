"""A queue, as the scheduler and the faults see it."""

from __future__ import annotations

from abc import abstractmethod

from batonmq.message import Settlement


class Scheduled(Settlement):
    """Something that is looked at when a turn ends, and set aside when looking at it fails again and again."""

    __slots__ = ()

    deleted: bool
    """It is gone, and must not be looked at."""

    fault: str
    """Why it was set aside; "": it was not."""

    @abstractmethod
    def dispatch(self) -> None:
        """Hand out what can be handed out."""

    @abstractmethod
    def touch(self) -> None:
        """Have it looked at when the turn ends."""

    @abstractmethod
    def struck(self, reason: str, now: float) -> tuple[int, bool]:
        """A fault of ours has struck in its work: how many have lately, with this one, and is it a new one?

        ``now``: monotonic seconds.
        """

    @abstractmethod
    def set_aside(self, reason: str) -> None:
        """Hand nothing out, and do nothing, until it is resumed or the broker starts anew."""
