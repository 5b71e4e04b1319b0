"""Length limits: what a full queue does with the next message (x-max-length, x-max-length-bytes, x-overflow)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batonmq.broker.deadletter import dead_letter_message
from batonmq.broker.room import has_room_for
from batonmq.broker.settings import DROP_HEAD, REJECT_PUBLISH_DLX

if TYPE_CHECKING:
    from batonmq.broker.queue import Queue
    from batonmq.message import Message


# A limit that is lowered drops so many messages in one go: about 2 ms.
DROP_SLICE = 500


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
    while _is_over(queue):
        # The head is what would be delivered next: of the highest priority, as in RabbitMQ.
        for lane in queue.lanes:
            queued = lane.pop()
            if queued is not None:
                queue.discard(queued, "maxlen")
                break
        else:
            return


def drop_some(queue: Queue) -> bool:
    """The limit was lowered while the queue lives: drop from the head, some at a time; tells whether to go on."""
    if queue.settings.overflow != DROP_HEAD:
        return False
    for _ in range(DROP_SLICE):
        if not _is_over(queue):
            return False
        for lane in queue.lanes:
            queued = lane.pop()
            if queued is not None:
                queue.discard(queued, "maxlen")
                break
        else:
            break
    queue.touch()
    return True


def _is_over(queue: Queue) -> bool:
    settings = queue.settings
    return (settings.max_length is not None and queue.ready_count > settings.max_length) or (
        settings.max_bytes is not None and queue.ready_bytes > settings.max_bytes
    )
