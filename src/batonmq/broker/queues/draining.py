"""Tells consumers when they have been given every message available for them now (AMQP 1.0 §2.6.7 "drain")."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from batonmq.broker.model.consumer import Consumer
    from batonmq.broker.queues.featured import FeaturedQueue


def end_drains(queue: FeaturedQueue) -> None:
    """Tell the draining consumers that there is nothing more for them now.

    The others are checked again. Each consumer is told once, whatever that triggers.
    """
    for consumer in list(queue.draining):
        if consumer in queue.draining and _is_drained(queue, consumer):
            queue.stop_draining(consumer)
            consumer.drained()


def _is_drained(queue: FeaturedQueue, consumer: Consumer) -> bool:
    if consumer.is_used_up():
        return True
    if queue.paused or (queue.settings.single_active and queue.active is not consumer):
        return True
    if not consumer.waiting or not consumer.has_room():
        # It is only held up; later it is offered to the queue again, and gets more.
        return False
    if queue.selection is not None:
        return queue.selection.has_seen_all
    return not any(lane.paged or len(lane.ready) > lane.gone for lane in queue.lanes)
