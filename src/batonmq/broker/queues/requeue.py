"""Requeueing: a returned message goes to its old place, at once or after a delay, or to the dead letters."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from batonmq.broker.features.dead_letters import counted
from batonmq.broker.features.length_limit import make_room
from batonmq.broker.features.retry import is_given_up, retry_delay
from batonmq.errors import StoreError
from batonmq.queued import DURABLE, GONE, HELD, READY

if TYPE_CHECKING:
    from batonmq.broker.lanes.lane import Lane
    from batonmq.broker.queues.featured import FeaturedQueue
    from batonmq.queued import QueuedMessage

log = logging.getLogger("batonmq.broker")

AT_ONCE = "%r: messages that came back are ready at once, as they could neither wait nor leave: %s"
"""The log's text: the queue, and the error."""


def requeue(
    queue: FeaturedQueue, held: list[QueuedMessage], wanted: int | None, *, failed: bool, is_counted: bool
) -> None:
    """Give delivered messages back, in the order of delivery; ``wanted``: a delay in ms, instead of the settings'.

    One that can neither wait nor leave, as no lane is left for that, is ready at once: nobody holds it any more.
    """
    queue.counters.gave_back(len(held))
    back: list[QueuedMessage] = []
    fault: Exception | None = None
    for queued in held:
        try:
            if _returns_now(queue, queued, wanted, failed, is_counted):
                back.append(queued)
        except Exception as error:  # noqa: BLE001 - whatever it is, those before and after it must come back
            fault = fault or error
            _stays(queued)
            back.append(queued)
    if fault is not None:
        log.error(AT_ONCE, queue, fault, exc_info=None if isinstance(fault, StoreError) else fault)
    # Each is put before the head, from the last to the first.
    for queued in reversed(back):
        if queued.stored == DURABLE:
            queue.store.update(queued)
        put_back(queue, queued)
    if queue.deleted:
        return
    queue.touch()
    if queue.settings.limits_length:
        make_room(queue)


def put_back(queue: FeaturedQueue, queued: QueuedMessage) -> None:
    """Make a message ready again, at its old place."""
    lane = queue.lane_at(queued.row)
    assert lane is not None
    lane.put_back(queued)
    _is_back(queue, queued, lane)


def leaves(queue: FeaturedQueue, queued: QueuedMessage, wanted: int | None, *, failed: bool, counts: bool) -> bool:
    """Would a held message, given back now, wait for its retry or leave the queue?"""
    settings = queue.settings
    if queue.deleted or not (settings.counts_deliveries or wanted or queued.expires_at):
        return False
    count = queued.return_count + (1 if counts else 0)
    if settings.delivery_limit is not None and count > settings.delivery_limit:
        return True
    delay = wanted
    if delay is None:
        delay = retry_delay(settings, count, failed=failed, counted=counts)
    return bool(delay) or bool(queued.expires_at and queue.expiry.is_over(queued))


def _returns_now(
    queue: FeaturedQueue, queued: QueuedMessage, wanted: int | None, failed: bool, is_counted: bool
) -> bool:
    """Does a returned message become ready now? False: it waits for its retry, or goes to the dead letters."""
    settings = queue.settings
    queue.given_back()
    if queue.deleted:
        queued.settle()
        return False
    if is_counted:
        queued.come_back()
    else:
        queued.be_released()
    if settings.counts_deliveries and queued.return_count:
        queued.carry(counted(queued.message, queued.return_count))
    if is_given_up(queue, queued):
        return False
    delay = wanted
    if delay is None:
        delay = retry_delay(settings, queued.return_count, failed=failed, counted=is_counted)
    if delay:
        queue.delaying().postpone(queued, queue.scheduler.now() + delay)
        return False
    return not _is_over(queue, queued)


def _stays(queued: QueuedMessage) -> None:
    """Make a message ready that was about to wait, or to leave."""
    if queued.state == GONE:
        queued.stay()
    elif queued.state == HELD:
        queued.come_back()


def return_to(queue: FeaturedQueue, queued: QueuedMessage, lane: Lane) -> None:
    """Put back a message whose retry delay is over."""
    if is_given_up(queue, queued) or _is_over(queue, queued):
        return
    lane.rejoin(queued)
    _is_back(queue, queued, lane)
    queue.touch()
    if queue.settings.limits_length:
        make_room(queue)


def _is_over(queue: FeaturedQueue, queued: QueuedMessage) -> bool:
    """Has the message expired meanwhile? Then it leaves the queue."""
    if queued.expires_at and queue.expiry.is_over(queued):
        queue.discard(queued, "expired")
        return True
    return False


def _is_back(queue: FeaturedQueue, queued: QueuedMessage, lane: Lane) -> None:
    if not queued.message.properties.plain:
        # After a restart, one that has waited for its retry may be the first of a group that the queue meets.
        queue.look_for_group(queued.message)
    if queue.selection is not None:
        queue.selection.came_back(queued, lane)
    if queued.expires_at and queued.state == READY:
        queue.expiry.watch(queued)
