"""Taking back what a consumer holds: a delivery that can still be settled, to no effect.

Nobody who settles has to ask whether his delivery is late: it is settled by somebody else from then on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from batonmq.message import QueuedMessage, Settlement

if TYPE_CHECKING:
    from collections.abc import Mapping

    from batonmq.broker.lanes.state import QueueState
    from batonmq.fields import FieldValue


def take_back(queued: QueuedMessage, queue: QueueState) -> QueuedMessage:
    """The message as another object: whoever has held it keeps the old one, which means nothing any more."""
    heir = QueuedMessage(queued.message, queue, queued.row).as_it_was(queued)
    heir.hold(None)
    if heir.stored and queue.store.is_pending(queued):
        queue.store.insert(heir)
    queued.leave()
    queued.settled_by(Revoked(heir))
    return heir


class Revoked(Settlement):
    """Takes every settlement of a delivery that was taken back, and does nothing."""

    __slots__ = ("_heir", "name")

    def __init__(self, heir: QueuedMessage) -> None:
        self._heir = heir
        self.name = heir.settlement.name

    def accept(self, queued: QueuedMessage) -> None:
        """It is somebody else's, or done with, by now."""

    def accept_all(self, held: list[QueuedMessage]) -> None:
        """They are somebody else's, or done with, by now."""

    def release(
        self, held: list[QueuedMessage], delay: int | None = None, *, failed: bool = True, counted: bool = True
    ) -> None:
        """It is back already."""

    def reject(self, queued: QueuedMessage, reason: str = "", condition: str = "") -> None:
        """Whoever has it now may reject it."""

    def modify(
        self,
        held: list[QueuedMessage],
        headers: Mapping[str, FieldValue] | None = None,
        *,
        failed: bool = False,
        elsewhere: bool = False,
    ) -> bool:
        """It is back already, as it was."""
        return True

    def unsettle(self, queued: QueuedMessage) -> None:
        """Nothing was settled."""

    def renew(self, queued: QueuedMessage, seconds: float) -> bool:
        """Too late."""
        return False

    def touch(self) -> None:
        """There is nothing to hand out."""

    def lost(self, queued: QueuedMessage) -> None:
        """The store has lost it under its old name."""
        self._heir.settlement.lost(self._heir)
