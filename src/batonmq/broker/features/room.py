"""Is there room in queues that refuse when they are full?

What waits for its time does not count, neither here nor among what is in the queue: it is taken by a full queue too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from batonmq.broker.features.publish_headers import asks, due_of
from batonmq.broker.model.settings import DROP_HEAD

if TYPE_CHECKING:
    from collections.abc import Iterable

    from batonmq.broker.queues.queue import Queue
    from batonmq.broker.routing.exchanges.base import Target
    from batonmq.message import Message


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


def first_full(routed: Iterable[tuple[Iterable[Target], Message]], now: int) -> Target | None:
    """Of messages that go in together or not at all: the first target that would refuse one of them; None: none would.

    ``now`` is in milliseconds of the epoch. Raises PreconditionFailed for headers that mean nothing.
    """
    filled: dict[Target, tuple[int, int]] = {}
    for targets, message in routed:
        if asks(message.properties) and due_of(message.properties.headers or {}, now):
            continue
        for target in targets:
            count, size = filled.get(target, (0, 0))
            filled[target] = (count + 1, size + message.size)
    for target, (count, size) in filled.items():
        if not target.has_room_for(size, count):
            return target
    return None
