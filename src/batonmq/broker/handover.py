"""The way of a message out of a queue whose consumers or messages are not all alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batonmq.broker.expiry import NOW_OR_NEVER
from batonmq.message import DURABLE, HELD
from batonmq.store.interface import POSITION_MASK

if TYPE_CHECKING:
    from batonmq.broker.consumer import Consumer
    from batonmq.broker.queue import Queue
    from batonmq.message import QueuedMessage


def dispatch_featured(queue: Queue) -> None:
    """What ``Queue.dispatch`` does where more counts than who has room."""
    if queue.paused:
        return
    if queue.selection is not None:
        queue.selection.dispatch()
        return
    while queue.takers:
        queued = queue.take()
        if queued is None:
            return
        consumer = _next_taker(queue)
        if consumer.no_ack:
            queue.accept(queued)
        else:
            queued.holder = consumer
            queue.watch_deadline(queued)
        has_room = consumer.deliver(queued)
        if queue.must_wait(queued) and not consumer.no_ack:
            consumer.hold(queue.store.batch)
        if not has_room:
            queue.takers.popleft()
            consumer.waiting = False
        elif len(queue.takers) > 1:
            queue.takers.rotate(-1)


def _next_taker(queue: Queue) -> Consumer:
    """Of the consumers with room those of the highest priority come first; it is moved to the head."""
    takers = queue.takers
    if len(takers) > 1:
        best = max(takers, key=lambda consumer: consumer.priority)
        while takers[0].priority != best.priority:
            takers.rotate(-1)
    return takers[0]


def take(queue: Queue) -> QueuedMessage | None:
    """What ``Queue.take`` does."""
    if queue.paused:
        return None
    if queue.selection is not None:
        return queue.selection.fetch()
    for lane in queue.lanes:
        while (queued := lane.pop()) is not None:
            # What may only go to a waiting consumer has found one.
            if queued.expires_at > NOW_OR_NEVER and queue.expiry.is_over(queued):
                queue.expiry.drop(queued)
                continue
            queued.state = HELD
            queued.holder = None
            queue.unsettled += 1
            if queued.stored == DURABLE:
                if queued.deliveries:
                    queue.store.update(queued)
                queue.store.mark_handed(lane.lane_id, lane.handed & POSITION_MASK)
            return queued
        if lane.paged:
            return None
    return None
