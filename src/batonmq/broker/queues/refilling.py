"""Reading more of a lane from the store before its window is empty."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from batonmq.broker.features.retry import DELIVERY_LIMIT, is_past_limit
from batonmq.broker.model.memory import OVERHEAD
from batonmq.store.records import StoredRun

if TYPE_CHECKING:
    from batonmq.broker.lanes.lane import Lane
    from batonmq.broker.queues.featured import FeaturedQueue

# A read from the store takes about 1.5 us a message (`store/reading.py`), or 0.3 where a thread has read it ahead
# (`store/packed.py`): this many keep the loop below 2 ms.
READ_MESSAGES = 1_000
READ_BYTES = 4 << 20
# With fewer messages in memory more are read: reads have to wait for commits, and consumers should not.
READ_AHEAD = 4_000


def wants_refill(queue: FeaturedQueue, lane: Lane) -> bool:
    """Is the window short, with more in the store?"""
    if not lane.paged or len(lane.ready) >= READ_AHEAD:
        return False
    if lane.next_does_not_fit and lane.ready:
        return False
    if queue.fault:
        return False
    settings = queue.settings
    # Without consumers nothing is read, with two exceptions: limits drop from the head, which must be in memory; and
    # messages past their delivery limit after a crash are found by reading.
    is_limited = settings.limits_length or settings.delivery_limit is not None
    if not (queue.consumers or is_limited or lane.is_recounted):
        return False
    # Large messages fill a window by their bytes: those read beyond its share would only be paged out again.
    return lane.bytes * 2 < queue.scheduler.memory.share_of(lane.counted)


def can_refill(lane: Lane) -> bool:
    """May the store be read now? During a commit, only if the committed part of the lane is up to date."""
    return not lane.store.busy or lane.changed_in <= lane.store.committed


def refill(queue: FeaturedQueue, lane: Lane) -> bool:
    """Read more from the store; returns whether there was anything. Only if ``can_refill``. Raises StoreError."""
    store = lane.store
    memory = queue.scheduler.memory
    share = max(1, memory.share_of(lane.counted) - lane.bytes)
    most = min(READ_MESSAGES, share // OVERHEAD + 1)
    most_bytes = min(READ_BYTES, share)
    found = StoredRun()
    is_up_to_date = lane.changed_in <= store.committed
    if is_up_to_date:
        ahead = store.found_ahead(lane.horizon, lane.last_row, lane.changed_in)
        if ahead is not None:
            found = ahead
        else:
            found = store.read_run(lane.horizon, lane.last_row, most, most_bytes, committed=True)
    if not found.rows and not found.unreadable:
        if store.busy:
            return False
        found = store.read_run(lane.horizon, lane.last_row, most, most_bytes, committed=False)
        if not found.rows and not found.unreadable:
            # After an unclean end the count is an estimate; whatever it was, nothing more is there.
            lane.nothing_is_paged()
            return False
    for queued in lane.fill(found, share, partial(is_past_limit, queue)):
        queue.discard(queued, DELIVERY_LIMIT)
    # At once, so that the next queue that reads takes it into account.
    lane.keep_to(memory)
    if lane.paged and is_up_to_date and found.messages:
        store.read_ahead(lane.horizon, lane.last_row, most, found)
    return True
