"""Length limits: what a full queue does with the next message (x-max-length, x-max-length-bytes, x-overflow)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batonmq.broker.features.dead_letters import dead_letter_message
from batonmq.broker.features.room import has_room_for
from batonmq.broker.model.settings import DROP_HEAD, REJECT_PUBLISH_DLX

if TYPE_CHECKING:
    from batonmq.broker.queues.queue import Queue
    from batonmq.message import Message


# A limit that is lowered drops so many messages in one go: about 2 ms.
DROP_SLICE = 500
# When a store that did not give what is to be dropped is asked again.
RETRY_SECONDS = 1.0


def refuses(queue: Queue, message: Message) -> bool:
    """Is the queue one that refuses when it is full, and full? A refused message may go to the dead letters."""
    settings = queue.settings
    if settings.overflow == DROP_HEAD:
        return False
    if queue.takers:
        queue.dispatch()
    full = not has_room_for(queue, 1, message.size)
    if full and settings.overflow == REJECT_PUBLISH_DLX:
        dead_letter_message(queue, message, "maxlen")
    return full


def make_room(queue: Queue) -> None:
    """Drop from the head what is too much. What consumers hold does not count; those with room are served first."""
    settings = queue.settings
    if settings.overflow != DROP_HEAD or not _is_over(queue):
        return
    if queue.takers:
        queue.dispatch()
    while _is_over(queue) and _drop_head(queue):
        pass


def _drop_head(queue: Queue) -> bool:
    """What would be delivered next goes: of the highest priority, as in RabbitMQ. False: it is only in the store."""
    for lane in queue.lanes:
        queued = lane.pop()
        if queued is not None:
            queue.discard(queued, "maxlen")
            return True
        if lane.paged:
            return False
    return False


def drop_what_is_too_much(queue: Queue, *, has_read: bool = False) -> None:
    """The limit was lowered while the queue lives, or what was held when the process ended is back: drop the head.

    Some at a time; it goes on by itself. ``has_read``: the store was just asked for more.
    """
    if queue.deleted or queue.settings.overflow != DROP_HEAD:
        return
    dropped = 0
    while _is_over(queue):
        if dropped == DROP_SLICE or not _drop_head(queue):
            broker = queue.broker
            if dropped or not has_read:
                broker.when_read(lambda: drop_what_is_too_much(queue, has_read=True))
            else:
                broker.timetable.after(RETRY_SECONDS, lambda: drop_what_is_too_much(queue))
            break
        dropped += 1
    # Its next turn asks the store for more.
    queue.touch()


def _is_over(queue: Queue) -> bool:
    settings = queue.settings
    return (settings.max_length is not None and queue.ready_count > settings.max_length) or (
        settings.max_bytes is not None and queue.ready_bytes > settings.max_bytes
    )
