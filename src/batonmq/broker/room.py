"""Is there room in a queue that refuses when it is full?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from batonmq.broker.settings import DROP_HEAD

if TYPE_CHECKING:
    from batonmq.broker.queue import Queue


def has_room_for(queue: Queue, count: int, size: int) -> bool:
    """Would a queue that refuses when it is full take so many more messages, of so many octets together?

    Dead letters that nobody takes count, where the queue must keep them: else it would grow without end.
    """
    settings = queue.settings
    if settings.overflow == DROP_HEAD:
        return True
    delays = queue.delays if settings.dead_letters_at_least_once else None
    if settings.max_length is not None:
        waiting = queue.ready_count + (delays.count if delays is not None else 0)
        if waiting + count > settings.max_length:
            return False
    if settings.max_bytes is not None:
        waiting = queue.ready_bytes + (delays.size if delays is not None else 0)
        if waiting + size > settings.max_bytes:
            return False
    return True
