"""What is left in the hands of a consumer that held a message past its deadline: a delivery that can still be settled,
to no effect.

Its lane is of no queue, so that nobody who settles has to ask whether a delivery is late.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from batonmq.broker.lane import Lane
from batonmq.broker.queue import Queue

if TYPE_CHECKING:
    from batonmq.message import QueuedMessage


class LateQueue(Queue):
    """Takes every settlement and does nothing."""

    __slots__ = ("_heir",)

    def __init__(self, heir: QueuedMessage) -> None:
        # Nothing of a queue is needed but what stands here.
        self._heir = heir
        self.name = heir.lane.queue.name
        self.deleted = False

    def accept(self, queued: QueuedMessage) -> None:
        """It is somebody else's, or done with, by now."""

    def release(self, held: list[QueuedMessage], delay: int | None = None) -> None:
        """It is back already."""

    def reject(self, queued: QueuedMessage, reason: str = "") -> None:
        """Whoever has it now may reject it."""

    def unsettle(self, queued: QueuedMessage) -> None:
        """Nothing was settled."""

    def renew(self, queued: QueuedMessage, seconds: float) -> bool:
        """Too late."""
        return False

    def touch(self) -> None:
        """There is nothing to hand out."""

    def lost(self, queued: QueuedMessage) -> None:
        """The store has lost it under its old name."""
        self._heir.lane.queue.lost(self._heir)


class LateLane(Lane):
    """Leads to a ``LateQueue``."""

    __slots__ = ()

    def __init__(self, heir: QueuedMessage) -> None:
        self.queue = LateQueue(heir)
