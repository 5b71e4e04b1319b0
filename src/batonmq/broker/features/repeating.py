"""What a message that is delivered again and again puts into its queue: a copy each time, which asks for nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batonmq.broker.features.length_limit import refuses
from batonmq.broker.features.publish_headers import schedule_of, without_times
from batonmq.broker.queues.enqueue import enter
from batonmq.errors import PreconditionFailed
from batonmq.message import DURABLE, QueuedMessage

if TYPE_CHECKING:
    from batonmq.broker.features.schedules import Schedule
    from batonmq.broker.queues.queue import Queue
    from batonmq.message import Message


def schedule_in(message: Message) -> Schedule | None:
    """By what a message that waits repeats itself; None: it comes once."""
    try:
        return schedule_of(message.properties.headers or {})
    except PreconditionFailed:
        # It was kept by a version that carried these headers along unread.
        return None


def put_copy(queue: Queue, origin: QueuedMessage) -> None:
    """The copy takes a place at the tail, or is refused as a message that is published would be.

    It goes to the store with the batch that holds what becomes of ``origin``, and is owed to that: should the batch
    fail, both are tried again.
    """
    message = origin.message
    properties = message.properties
    copy = message.with_properties(properties.replace(headers=without_times(properties.headers or {}) or None))
    queue.expect(copy)
    if queue.settings.limits_length and refuses(queue, copy):
        return
    lane = queue.lane_for(copy)
    queued = QueuedMessage(copy, lane, lane.next_row)
    lane.next_row += 1
    queue.expiry.stamp(queued)
    if origin.stored == DURABLE:
        queued.stored = DURABLE
        queue.store.insert(queued)
        queue.store.owe(copy, origin)
    enter(queue, queued)
