"""The way of a message into a queue of which more is asked than to keep it: by its settings or by its headers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batonmq.broker.features.length_limit import make_room, refuses
from batonmq.broker.features.publish_headers import MARK, due_of, key_of
from batonmq.broker.features.schedules import SCHEDULE_MARK
from batonmq.message import DURABLE, QueuedMessage

if TYPE_CHECKING:
    from batonmq.broker.queues.queue import Queue
    from batonmq.message import Message

# What became of a published message.
REFUSED = -1
"""The queue is full and refuses: its producer gets a negative acknowledgement."""
KEPT = 0
"""It is in the queue, and needs no disk."""
STORED = 1
"""It is in the queue, and safe once the batch that is being collected is committed."""


def publish_featured(queue: Queue, message: Message) -> int:
    """What ``Queue.publish`` does where messages are not all alike. Raises PreconditionFailed for headers that mean
    nothing, which a protocol has refused before.
    """
    due = 0
    key: bytes | None = None
    properties = message.properties
    if properties.mentions_either(MARK, SCHEDULE_MARK):
        headers = properties.headers or {}
        due = due_of(headers, int(queue.broker.clock.time() * 1000))
        # What was dead-lettered is sent again by the broker, and not by mistake.
        if queue.settings.deduplicates and not message.is_dead_letter:
            key = key_of(headers)
            if key is not None and queue.deduplication().is_known(key, message):
                return STORED if queue.deduplication().is_uncommitted(key) else KEPT
    if queue.settings.limits_length and not due and refuses(queue, message):
        return REFUSED
    is_stored = queue.kept and properties.persistent
    if key is not None:
        queue.deduplication().note(key, is_stored=is_stored)
    if due:
        queue.delaying().add(message, due)
    else:
        lane = queue.lane_for(message)
        queued = QueuedMessage(message, lane, lane.next_row)
        lane.next_row += 1
        queue.expiry.stamp(queued)
        if is_stored:
            queued.stored = DURABLE
            queue.store.insert(queued)
        enter(queue, queued)
    return STORED if is_stored else KEPT


def enter(queue: Queue, queued: QueuedMessage) -> None:
    """A message takes the place at the tail that it was given; whatever has to be in the store is there."""
    if not queued.message.properties.plain:
        queue.look_for_group(queued.message)
    lane = queued.lane
    paged = lane.paged
    lane.append(queued)
    if queued.expires_at:
        if paged:
            queue.expiry.watch_paged(queued.expires_at)
        else:
            queue.expiry.watch(queued)
    queue.touch()
    if queue.settings.limits_length:
        make_room(queue)
