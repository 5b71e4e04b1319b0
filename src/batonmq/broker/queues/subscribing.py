"""Who takes from a queue, and which way that makes its messages go: the plain one, or the one of features."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batonmq.broker.features.groups import OF_JMS, OURS, group_of
from batonmq.broker.features.selective import Selection

if TYPE_CHECKING:
    from batonmq.broker.model.consumer import Consumer
    from batonmq.broker.queues.queue import Queue
    from batonmq.message import Message


def look_at_features(queue: Queue) -> None:
    """Which way do messages take: the plain one, or the one of features?"""
    consumers = queue.consumers
    if consumers.choosy:
        queue.selection = queue.selection or Selection(queue)
    elif queue.selection is not None and not queue.selection.is_grouped:
        queue.selection = None
    queue.featured = (
        queue.settings.shapes_the_queue or queue.paused or queue.selection is not None or consumers.special > 0
    )


def look_for_group(queue: Queue, message: Message) -> None:
    """From the first message of a group on, groups count."""
    if queue.selection is not None and queue.selection.is_grouped:
        return
    header = queue.settings.group_header
    if header is None:
        # What every message with headers pays, so it is asked here.
        raw = message.properties.raw
        if OURS not in raw and OF_JMS not in raw:
            return
    if group_of(message, header) is not None:
        queue.selection = queue.selection or Selection(queue)
        queue.selection.is_grouped = True
        queue.featured = True


def subscribe(queue: Queue, consumer: Consumer) -> None:
    """Add a consumer; whether it may be added is the virtual host's to say."""
    queue.consumers.add(consumer)
    look_at_features(queue)
    if queue.selection is not None:
        queue.selection.consumers_changed()
    queue.had_consumer = True
    queue.used()
    _begin(queue, consumer)


def _begin(queue: Queue, consumer: Consumer) -> None:
    if consumer.has_room():
        queue.offer(consumer)
    else:
        consumer.passed_over()


def unsubscribe(queue: Queue, consumer: Consumer) -> None:
    """Remove a consumer; what it holds stays with it. An auto-delete queue goes with its last one."""
    queue.withdraw(consumer)
    queue.consumers.remove(consumer)
    queue.used()
    look_at_features(queue)
    if queue.selection is not None:
        queue.selection.consumers_changed(gone=consumer)
    if not queue.consumers:
        if queue.auto_delete and not queue.deleted:
            queue.vhost.remove_queue(queue)
    elif queue.settings.single_active and (active := queue.active) is not None:
        _begin(queue, active)
