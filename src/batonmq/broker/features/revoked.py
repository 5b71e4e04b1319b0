"""Taking back a delivery: its consumer can still settle it, without effect.

A consumer need not check whether its delivery is late: the message has another object from then on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from batonmq.queued import QueuedMessage, Settlement

if TYPE_CHECKING:
    from collections.abc import Mapping

    from batonmq.broker.lanes.state import QueueState
    from batonmq.broker.model.consumer import Consumer
    from batonmq.fields import FieldValue


def take_back(queued: QueuedMessage, queue: QueueState, late: Consumer | None = None) -> QueuedMessage:
    """Put the message into another object. Its consumer keeps the old one, which has no effect any more.

    ``late``: the consumer, if it held the message for too long; the queue learns when it has settled it after all.
    """
    heir = QueuedMessage(queued.message, queue, queued.row).as_it_was(queued)
    heir.hold(None)
    if heir.stored and queue.store.is_pending(queued):
        queue.store.replace(heir)
    queued.leave()
    queued.settled_by(Revoked(heir, queue, late))
    return heir


class Revoked(Settlement):
    """Ignores every settlement of a delivery that was taken back. Its holder learns that it came."""

    __slots__ = ("_heir", "_late", "_queue", "name")

    def __init__(self, heir: QueuedMessage, queue: QueueState, late: Consumer | None) -> None:
        self._heir = heir
        self._queue = queue
        self._late = late
        self.name = heir.settlement.name

    def accept(self, queued: QueuedMessage) -> None:
        """Ignored: another consumer holds the message, or has settled it."""
        self._settled_late(queued)

    def accept_all(self, held: list[QueuedMessage]) -> None:
        """Ignored: other consumers hold the messages, or have settled them."""
        for queued in held:
            self._settled_late(queued)

    def release(
        self, held: list[QueuedMessage], delay: int | None = None, *, failed: bool = True, counted: bool = True
    ) -> None:
        """Ignored: the message is back already."""
        for queued in held:
            self._settled_late(queued)

    def reject(self, queued: QueuedMessage, reason: str = "", condition: str = "") -> None:
        """Ignored: only the consumer that holds the message now may reject it."""
        self._settled_late(queued)

    def modify(
        self,
        held: list[QueuedMessage],
        headers: Mapping[str, FieldValue] | None = None,
        *,
        failed: bool = False,
        elsewhere: bool = False,
        delay: int | None = None,
    ) -> bool:
        """Ignored: the message is back already, as it was."""
        for queued in held:
            self._settled_late(queued)
        return True

    def unsettle(self, queued: QueuedMessage) -> None:
        """Ignored: nothing was settled."""

    def renew(self, queued: QueuedMessage, seconds: float) -> bool:
        """False: it is too late."""
        return False

    def touch(self) -> None:
        """Ignored: there is nothing to dispatch."""

    def lost(self, queued: QueuedMessage) -> None:
        """Ignored: the message has another object."""
        self._heir.settlement.lost(self._heir)

    def _settled_late(self, queued: QueuedMessage) -> None:
        if queued.holder is not None:
            queued.holder.settled_late(queued)
        if self._late is not None:
            late, self._late = self._late, None
            self._queue.caught_up(late)
