"""The only way out of a queue: messages go to consumers with room, or to a client that fetches one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batonmq.broker.features.expiry import NOW_OR_NEVER
from batonmq.broker.features.revoked import take_back
from batonmq.queued import DURABLE, HELD, hold_all
from batonmq.store.records import POSITION_MASK

if TYPE_CHECKING:
    from batonmq.broker.lanes.lane import Lane
    from batonmq.broker.model.consumer import Consumer
    from batonmq.broker.queues.featured import FeaturedQueue
    from batonmq.queued import QueuedMessage


def dispatch_plain(queue: FeaturedQueue) -> None:
    """Dispatch from a queue with one lane, in which all that matters is which consumer has room."""
    lane = queue.lane
    line = queue.ready_consumers
    # Does the file have any of them already? Then only a mark records that they were handed out.
    wants_mark = False
    while lane.ready and (consumer := line.head()) is not None:
        room = consumer.room()
        if not room:
            queue.pass_over(consumer)
            continue
        # Several consumers get one message each in turn; a single one gets as many as it has room for.
        batch = lane.take_batch(room if line.count == 1 else 1)
        waits = (queue.survives_restart or queue.moved_in > queue.store.committed) and _must_any_wait(queue, batch)
        has_come_back = hold_all(batch, consumer)
        if consumer.no_ack:
            queue.passed_on(batch)
        else:
            queue.handed_out(len(batch))
        if has_come_back:
            _note_returned(queue, batch, consumer)
        # The mark of the messages that came back may have been dropped with the last of the others.
        wants_mark = wants_mark or waits or has_come_back or queue.store.error is not None
        try:
            consumer.deliver_all(batch)
        except BaseException:
            _recall(queue, consumer, batch)
            raise
        if waits and (has_come_back or not _is_noted(queue, lane)):
            consumer.hold(queue.store.batch)
        if consumer.waiting:
            line.served(consumer)
    if wants_mark and queue.survives_restart:
        queue.store.mark_handed(lane.lane_id, lane.handed & POSITION_MASK)


def _note_returned(queue: FeaturedQueue, batch: list[QueuedMessage], consumer: Consumer) -> None:
    """Note in the store that messages which had come back before are held again, so that a crash shows it."""
    returned = [queued for queued in batch if queued.returns]
    queue.redelivered(len(returned))
    if not consumer.no_ack:
        for queued in returned:
            if queued.stored == DURABLE:
                queue.store.update(queued)


def must_wait(queue: FeaturedQueue, queued: QueuedMessage) -> bool:
    """Must the store note the delivery of this message before its client may see it?

    Not if the message itself is written with the same batch: if the process is killed before that, the message was
    never confirmed and does not come again. A message that stands for a row of the store would come again unmarked.
    """
    store = queue.store
    if store.error is not None:
        # Nobody waits for a disk that takes nothing; a note may still be possible.
        if queue.survives_restart and queued.stored == DURABLE and not queued.returns:
            lane = queue.lane_at(queued.row)
            if lane is not None:
                store.note_handed(lane.lane_id, lane.handed & POSITION_MASK)
        return False
    if queue.moved_in > store.committed:
        return True
    return queue.survives_restart and queued.stored == DURABLE and not store.is_pending(queued)


def must_hold(queue: FeaturedQueue, queued: QueuedMessage, *, no_ack: bool) -> bool:
    """Must a message that was just taken be held until a commit? Ask before it counts as accepted with ``no_ack``.

    With ``no_ack`` a note is enough, where a note can tell which message it was.
    """
    if not must_wait(queue, queued):
        return False
    if not no_ack or queue.selection is not None or queued.returns:
        return True
    lane = queue.lane_at(queued.row)
    return lane is None or not _is_noted(queue, lane)


def _must_any_wait(queue: FeaturedQueue, batch: list[QueuedMessage]) -> bool:
    """Must the batch wait? The first durable message decides: later ones are not written earlier."""
    for queued in batch:
        if queued.stored == DURABLE or not queue.survives_restart:
            return must_wait(queue, queued)
    return False


def _is_noted(queue: FeaturedQueue, lane: Lane) -> bool:
    """Note beside the store how far the lane was delivered, if none of these messages had come back before.

    False: there is no note. A message that comes again has a count, which only a commit keeps; and a note says nothing
    about a message that the store may not have yet.
    """
    if queue.moved_in > queue.store.committed:
        return False
    return queue.store.note_handed(lane.lane_id, lane.handed & POSITION_MASK)


def dispatch_featured(queue: FeaturedQueue) -> None:
    """Dispatch from a queue in which priorities, selectors, groups or other features count."""
    if queue.paused:
        return
    selection = queue.selection
    if selection is not None:
        selection.begin()
        while queue.ready_consumers.count and (found := selection.next()) is not None:
            _deliver(queue, *found)
        selection.end()
        return
    while (consumer := _next_taker(queue)) is not None:
        queued = take(queue, consumer)
        if queued is None:
            return
        _deliver(queue, consumer, queued)


def _deliver(queue: FeaturedQueue, consumer: Consumer, queued: QueuedMessage) -> None:
    """Deliver a message that was just taken to a consumer."""
    try:
        waits = must_hold(queue, queued, no_ack=consumer.no_ack)
        if consumer.no_ack:
            queue.accept(queued)
            queue.needs_no_answer()
        else:
            queue.watch_deadline(queued, consumer)
        consumer.deliver(queued)
    except BaseException:
        _recall(queue, consumer, [queued])
        raise
    if waits:
        consumer.hold(queue.store.batch)
    # The delivery may have made the consumer withdraw.
    if consumer.waiting:
        queue.ready_consumers.served(consumer)


def _recall(queue: FeaturedQueue, consumer: Consumer, batch: list[QueuedMessage]) -> None:
    """Take a batch back after a fault in its delivery. It may have been sent in part: it is counted and marked.

    Other consumers are served before this one is asked again.
    """
    queue.withdraw(consumer)
    queue.release([take_back(queued, queue) for queued in batch if queued.state == HELD])


def _next_taker(queue: FeaturedQueue) -> Consumer | None:
    """The consumer to serve next: the one of the highest priority that has waited longest.

    Consumers that have lost their room since they were offered are passed over.
    """
    while (consumer := queue.ready_consumers.head()) is not None:
        if consumer.has_room():
            return consumer
        queue.pass_over(consumer)
    return None


def take(queue: FeaturedQueue, holder: Consumer | None) -> QueuedMessage | None:
    """Take the next message in memory; a consumer then holds it, or a client that fetches (None).

    An expired message is not taken, but dropped here.
    """
    if queue.paused:
        return None
    if queue.selection is not None:
        return queue.selection.fetch()
    for lane in queue.lanes:
        while (queued := lane.pop()) is not None:
            # A message that only a waiting consumer may have has found one.
            if queued.expires_at > NOW_OR_NEVER and queue.expiry.is_over(queued):
                queue.discard(queued, "expired")
                continue
            queued.hold(holder)
            queue.handed_out(1)
            if queued.returns:
                queue.redelivered(1)
            if queued.stored == DURABLE:
                if queued.returns:
                    queue.store.update(queued)
                if not queue.store.is_pending(queued):
                    queue.store.mark_handed(lane.lane_id, lane.handed & POSITION_MASK)
            return queued
        if lane.paged:
            return None
    return None
