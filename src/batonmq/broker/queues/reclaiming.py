"""Whoever has a store goes, and those who hold its messages live on: they claim them of the next one who has it.

On the way it stands in the store as if it had come back: with this delivery counted, at its old place. So it does come
back where nobody claims it, and a claim is good while the count has gone no further than the holder's own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from batonmq.message import DURABLE

if TYPE_CHECKING:
    from batonmq.broker.model.consumer import Consumer
    from batonmq.broker.queues.featured import FeaturedQueue
    from batonmq.message import QueuedMessage


def hand_on(queue: FeaturedQueue, held: list[QueuedMessage]) -> None:
    """These go to the next one that has the store; this broker hands nothing out any more."""
    for queued in held:
        queue.given_back()
        lane = queue.lane_at(queued.row)
        if lane is None:
            continue
        if queued.stored == DURABLE:
            queue.store.hold(queued)
        queued.hand_on()
        lane.put_back(queued)


def reclaim(queue: FeaturedQueue, row: int, count: int, holder: Consumer | None) -> QueuedMessage | None:
    """The ready message of that row is in the holder's hands, for the count-th time; None: it is gone, or another's.

    Never while the store is ``busy``. Raises StoreError.
    """
    for lane in queue.lanes:
        entry = lane.find(row)
        if entry is None:
            continue
        if entry.return_count > count:
            return None
        queued = lane.take(entry)
        queued.hold(holder)
        queued.count_as(count - 1)
        queue.handed_out(1)
        if queued.stored == DURABLE:
            queue.store.hold(queued)
        if queue.selection is not None:
            queue.selection.reclaimed(queued, holder)
        return queued
    return None
