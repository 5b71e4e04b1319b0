"""Length limits: what a full queue does with the next message (x-max-length, x-max-length-bytes, x-overflow).

A delayed message does not count as being in the queue: even a full queue accepts it.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from batonmq.broker.model.settings import DROP_HEAD

if TYPE_CHECKING:
    from collections.abc import Iterable

    from batonmq.broker.lanes.state import QueueState
    from batonmq.broker.model.consumer import Consumer
    from batonmq.broker.routing.exchanges.base import Target
    from batonmq.message import Message

# When a limit is lowered, at most this many messages are dropped in one go: about 2 ms.
DROP_SLICE = 500
# After this many seconds the store is asked again for messages to drop, if it could not read before.
RETRY_SECONDS = 1.0


def has_room_for(queue: QueueState, count: int, size: int) -> bool:
    """Has a queue that refuses messages when it is full room for ``count`` more, of ``size`` octets in total?

    Dead letters that the queue keeps back count too: otherwise it would grow without end.
    """
    settings = queue.settings
    if settings.overflow == DROP_HEAD:
        return True
    keeps_dead_letters = settings.dead_letters_at_least_once
    if settings.max_length is not None:
        waiting = queue.ready_count + (queue.delayed_count if keeps_dead_letters else 0)
        if waiting + count > settings.max_length:
            return False
    if settings.max_bytes is not None:
        waiting = queue.ready_bytes + (queue.delayed_bytes if keeps_dead_letters else 0)
        if waiting + size > settings.max_bytes:
            return False
    return True


def has_room_once_served(queue: QueueState, size: int) -> bool:
    """Has the queue room for one more, of ``size`` octets? Consumers with room are served, where that may help."""
    return has_room_for(queue, 1, size) or (_serve(queue) and has_room_for(queue, 1, size))


def _serve(queue: QueueState) -> bool:
    """Give consumers with room what is ready; False: nobody may be given anything."""
    if not queue.ready_consumers.count or not queue.scheduler.is_serving:
        return False
    # A fault in the dispatch is the queue's, not the publisher's.
    queue.scheduler.faults.attempt(queue.dispatch)
    return True


def first_full(routed: Iterable[tuple[Iterable[Target], Message]]) -> Target | None:
    """For messages that are enqueued together or not at all: the first target that would refuse one; None: none would.

    Their headers must be valid.
    """
    by_target: dict[Target, list[Message]] = {}
    for targets, message in routed:
        for target in targets:
            by_target.setdefault(target, []).append(message)
    return next((target for target, messages in by_target.items() if not target.has_room_for_all(messages)), None)


def has_room_for_all(queue: QueueState, weights: list[int], takers: Iterable[Consumer]) -> bool:
    """Has a queue that refuses messages room for these, by their sizes, one after the other?

    ``takers``: the consumers that are sure to take as many as their ``room`` says.
    """
    _serve(queue)
    if not queue.ready_count:
        # Whatever goes straight to a consumer need only fit by itself.
        taken = sum(consumer.room() for consumer in takers)
        if not all(has_room_for(queue, 1, weight) for weight in weights[:taken]):
            return False
        weights = weights[taken:]
    return not weights or has_room_for(queue, len(weights), sum(weights))


def refuses(queue: QueueState, message: Message) -> bool:
    """Is the queue one that refuses when it is full, and full? Consumers with room are served first."""
    return not has_room_once_served(queue, message.weight)


def make_room(queue: QueueState) -> None:
    """Drop messages from the head until the limit is met. Held ones do not count; consumers are served first."""
    if queue.returning:
        # The oldest messages are not back yet. The end of the return calls this again.
        return
    if queue.settings.overflow != DROP_HEAD or not _is_over(queue):
        return
    if not queue.scheduler.is_serving:
        # Messages that look ready may have been held under the last owner, and not been claimed yet.
        drop_what_is_too_much(queue)
        return
    _serve(queue)
    while _is_over(queue) and _drop_head(queue):
        pass


def _drop_head(queue: QueueState) -> bool:
    """Drop the next message, that of the highest priority, as in RabbitMQ. False: it is only in the store."""
    for lane in queue.lanes:
        queued = lane.pop()
        if queued is not None:
            queue.discard(queued, "maxlen")
            return True
        if lane.paged:
            return False
    return False


def drop_what_is_too_much(queue: QueueState, *, has_read: bool = False) -> None:
    """Drop the head after the limit was lowered, or after a restart that brought held messages back.

    It drops some messages at a time, and continues by itself. ``has_read``: the store was just read on.
    """
    if queue.deleted or queue.returning or queue.settings.overflow != DROP_HEAD:
        return
    if not queue.scheduler.is_serving:
        queue.scheduler.call(partial(drop_what_is_too_much, queue))
        return
    dropped = 0
    while _is_over(queue):
        if dropped == DROP_SLICE or not _drop_head(queue):
            scheduler = queue.scheduler
            if dropped or not has_read:
                scheduler.call(partial(drop_what_is_too_much, queue, has_read=True))
            else:
                scheduler.timetable.after(RETRY_SECONDS, partial(drop_what_is_too_much, queue))
            break
        dropped += 1
    # The queue's next turn reads on.
    queue.touch()


def _is_over(queue: QueueState) -> bool:
    settings = queue.settings
    return (settings.max_length is not None and queue.ready_count > settings.max_length) or (
        settings.max_bytes is not None and queue.ready_bytes > settings.max_bytes
    )
