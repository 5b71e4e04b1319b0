"""The process that has a store ends, and processes that hold its messages claim them from the next one.

In between, a message stands in the store as if it had come back: at its old place, with this delivery counted. So it
does come back if nobody claims it, and a claim is good as long as the count is not above the holder's own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from batonmq.queued import DURABLE

if TYPE_CHECKING:
    from batonmq.broker.model.consumer import Consumer
    from batonmq.broker.queues.featured import FeaturedQueue
    from batonmq.queued import QueuedMessage


def hand_on(queue: FeaturedQueue, held: list[QueuedMessage]) -> None:
    """Leave held messages to the next process that opens the store; this broker delivers nothing any more."""
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
    """Give the ready message of that row to its holder again, as delivery number ``count``; None: it is not available.

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
