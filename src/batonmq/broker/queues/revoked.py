"""What is left in the hands of a consumer that held a message past its deadline: a delivery that can still be settled,
to no effect.

Its lane is of no queue, so that nobody who settles has to ask whether a delivery is late.
"""

from __future__ import annotations

from batonmq.broker.lanes.lane import Lane
from batonmq.broker.queues.queue import Queue
from batonmq.message import GONE, HELD, QueuedMessage


def take_back(queued: QueuedMessage) -> QueuedMessage:
    """The message as another object: whoever has held it keeps the old one, which means nothing any more."""
    heir = QueuedMessage(queued.message, queued.lane, queued.row)
    heir.state = HELD
    heir.stored = queued.stored
    heir.deliveries = queued.deliveries
    heir.expires_at = queued.expires_at
    store = queued.lane.store
    if heir.stored and store.is_pending(queued):
        store.insert(heir)
    queued.state = GONE
    queued.lane = LateLane(heir)
    return heir


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

    def release(self, held: list[QueuedMessage], delay: int | None = None, *, failed: bool = True) -> None:
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
