"""A lane reads on from the store, before its window is empty."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from batonmq.broker.features.dead_letters import counted
from batonmq.broker.features.retry import DELIVERY_LIMIT, is_past_limit
from batonmq.broker.model.memory import OVERHEAD
from batonmq.message import DURABLE, HELD, Message, QueuedMessage
from batonmq.properties import EMPTY
from batonmq.store.interface import StoredRun

if TYPE_CHECKING:
    from batonmq.broker.lanes.lane import Lane
    from batonmq.store.interface import StoredMessage

log = logging.getLogger("batonmq.broker")

# A read from the store takes about 2 us a message (`store/reading.py`): this many keep the loop below 2 ms.
READ_MESSAGES = 1_000
READ_BYTES = 4 << 20
# Below so many messages at hand the next are read: reads have to wait for commits, and consumers should not.
READ_AHEAD = 4_000


def wants_refill(lane: Lane) -> bool:
    """Is the window short, while more waits in the store?"""
    if not lane.paged or len(lane.ready) >= READ_AHEAD:
        return False
    queue = lane.queue
    if lane.next_does_not_fit and lane.ready:
        return False
    if queue.fault:
        return False
    settings = queue.settings
    # Nobody wants it: it is read when somebody does. Limits drop from the head, which must be at hand; and what a crash
    # has left past the limit of its deliveries is found by reading.
    is_limited = settings.limits_length or settings.delivery_limit is not None
    if not (queue.consumers or is_limited or lane.is_recounted):
        return False
    # Large messages fill a window by their bytes: what is read beyond its share would only be left out again.
    return lane.bytes * 2 < queue.broker.memory.share_of(lane)


def can_refill(lane: Lane) -> bool:
    """May the store be read on now? While it commits, only if all that is committed of the lane holds."""
    return not lane.store.busy or lane.changed_in <= lane.store.committed


def refill(lane: Lane) -> bool:
    """Read on from the store; tells whether that brought anything. Only if ``can_refill``. Raises StoreError."""
    store = lane.store
    share = max(1, lane.queue.broker.memory.share_of(lane) - lane.bytes)
    most = min(READ_MESSAGES, share // OVERHEAD + 1)
    most_bytes = min(READ_BYTES, share)
    found = StoredRun()
    if lane.changed_in <= store.committed:
        found = store.read_run(lane.horizon, lane.last_row, most, most_bytes, committed=True)
    if not found.rows and not found.unreadable:
        if store.busy:
            return False
        found = store.read_run(lane.horizon, lane.last_row, most, most_bytes, committed=False)
        if not found.rows and not found.unreadable:
            # The count after an unclean end is the store's own; whatever it was, nothing more is there.
            lane.paged = lane.paged_bytes = 0
            lane.is_recounted = False
            return False
    is_whole = _take_in(lane, found, share)
    for row, fault in found.unreadable.items():
        if is_whole or row <= lane.horizon:
            _leave_aside(lane, row, fault)
    if lane.horizon == lane.next_row - 1:
        lane.paged = lane.paged_bytes = 0
        lane.is_recounted = False
    # At once: the next one that reads on is to know of it.
    lane.queue.broker.memory.account(lane)
    return True


def _leave_aside(lane: Lane, row: int, fault: str) -> None:
    """No message can be made of a row: it stays in the file, for whoever mends that, and in nobody's way."""
    lane.horizon = max(lane.horizon, row)
    if row in lane.held:
        return
    log.error("%r: row %d of the store cannot be read and is left out: %s", lane.queue, row, fault)
    lane.paged = max(lane.paged - 1, 0)
    gap = QueuedMessage(Message("", "", EMPTY, b""), lane, row)
    gap.state = HELD
    lane.held[row] = gap


def _take_in(lane: Lane, found: StoredRun, share: int) -> bool:
    """What was read becomes part of the window, as far as there is room; tells whether there was for all of it."""
    held = lane.held
    unusual = found.unusual
    given_up: list[QueuedMessage] = []
    is_whole = True
    size = read = 0
    try:
        for row, message in zip(found.rows, found.messages, strict=True):
            if held and row in held:
                lane.horizon = row
                continue
            cost = message.size + OVERHEAD
            if size + cost > share and (read or lane.ready):
                # Beyond the window it would only be left to the store again.
                is_whole = False
                break
            if unusual and row in unusual:
                queued = revive(lane, unusual[row])
                if is_past_limit(lane.queue, queued):
                    lane.horizon = row
                    lane.unpage(queued)
                    given_up.append(queued)
                    continue
            else:
                queued = QueuedMessage(message, lane, row)
                queued.stored = DURABLE
            lane.ready.append(queued)
            size += cost
            read += 1
            lane.horizon = row
            if queued.expires_at:
                lane.queue.expiry.watch(queued)
            if not message.properties.plain:
                lane.queue.look_for_group(message)
    finally:
        # Whatever strikes on the way, what is at hand is counted as such.
        lane.next_does_not_fit = not is_whole and not read
        lane.bytes += size
        lane.paged -= read
        lane.paged_bytes -= size - OVERHEAD * read
    for queued in given_up:
        lane.queue.discard(queued, DELIVERY_LIMIT)
    return is_whole


def revive(lane: Lane, stored: StoredMessage) -> QueuedMessage:
    """What was read from the store, as it was before."""
    message = stored.message
    if stored.deliveries and lane.queue.settings.counts_deliveries:
        message = counted(message, stored.deliveries)
    queued = QueuedMessage(message, lane, stored.row)
    queued.stored = stored.stored
    queued.deliveries = stored.deliveries
    queued.expires_at = stored.expires_at
    if not message.properties.plain:
        lane.queue.look_for_group(message)
    return queued
