"""The only way out of a queue: messages go to consumers with room, or to a client that fetches one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batonmq.broker.features.expiry import NOW_OR_NEVER
from batonmq.broker.features.revoked import take_back
from batonmq.message import DURABLE, HELD, hold_all
from batonmq.store.records import POSITION_MASK

if TYPE_CHECKING:
    from batonmq.broker.lanes.lane import Lane
    from batonmq.broker.model.consumer import Consumer
    from batonmq.broker.queues.featured import FeaturedQueue
    from batonmq.message import QueuedMessage


def dispatch_plain(queue: FeaturedQueue) -> None:
    """Dispatch from a queue with one lane, in which all that matters is which consumer has room."""
    lane = queue.lane
    takers = queue.takers
    before = lane.handed
    has_any_come_back = False
    while lane.ready and (consumer := takers.head()) is not None:
        room = consumer.room()
        if not room:
            queue.pass_over(consumer)
            continue
        # Among several each gets one message in turn; one alone gets what it has room for.
        batch = lane.take_batch(room if takers.count == 1 else 1)
        waits = (queue.survives_restart or queue.moved_in > queue.store.committed) and _must_any_wait(queue, batch)
        has_come_back = hold_all(batch, consumer)
        if consumer.no_ack:
            queue.passed_on(batch)
        else:
            queue.handed_out(len(batch))
        if has_come_back:
            has_any_come_back = True
            _note_returned(queue, batch, consumer)
        try:
            consumer.deliver_all(batch)
        except BaseException:
            _recall(queue, consumer, batch)
            raise
        if waits and (has_come_back or not _is_noted(queue, lane)):
            consumer.hold(queue.store.batch)
        if consumer.waiting:
            takers.served(consumer)
    # The mark of what came back may have been dropped with the last of the others.
    if (lane.handed > before or has_any_come_back) and queue.survives_restart:
        queue.store.mark_handed(lane.lane_id, lane.handed & POSITION_MASK)


def _note_returned(queue: FeaturedQueue, batch: list[QueuedMessage], consumer: Consumer) -> None:
    """Of these some had come back before: that they are in somebody's hands again is to show after a crash."""
    returned = [queued for queued in batch if queued.returns]
    queue.redelivered(len(returned))
    if not consumer.no_ack:
        for queued in returned:
            if queued.stored == DURABLE:
                queue.store.update(queued)


def must_wait(queue: FeaturedQueue, queued: QueuedMessage) -> bool:
    """Must the hand-over of this message be noted in the store before its client may see it?

    Not when the message itself is written with the same batch: should the process be killed before that, it was never
    confirmed, and does not come again. One that stands for a row of the store would: as it was, where it was.
    """
    store = queue.store
    if store.error is not None:
        # Nobody waits for a disk that takes nothing; a note may be possible all the same.
        if queue.survives_restart and queued.stored == DURABLE and not queued.returns:
            lane = queue.lane_at(queued.row)
            if lane is not None:
                store.note_handed(lane.lane_id, lane.handed & POSITION_MASK)
        return False
    if queue.moved_in > store.committed:
        return True
    return queue.survives_restart and queued.stored == DURABLE and not store.is_pending(queued)


def must_hold(queue: FeaturedQueue, queued: QueuedMessage, *, no_ack: bool) -> bool:
    """The same of one message that was just taken, before it counts as accepted with ``no_ack``.

    That is no reason for a commit: a note will do, where one can tell which message it was.
    """
    if not must_wait(queue, queued):
        return False
    if not no_ack or queue.selection is not None or queued.returns:
        return True
    lane = queue.lane_at(queued.row)
    return lane is None or not _is_noted(queue, lane)


def _must_any_wait(queue: FeaturedQueue, batch: list[QueuedMessage]) -> bool:
    """The first that is durable tells: those behind it came later, and are written no earlier."""
    for queued in batch:
        if queued.stored == DURABLE or not queue.survives_restart:
            return must_wait(queue, queued)
    return False


def _is_noted(queue: FeaturedQueue, lane: Lane) -> bool:
    """Is it noted beside the store up to where messages were handed out, none of which had come back before?

    What comes again has a count, which a commit keeps; and a note of what the store may not have yet tells nothing.
    """
    if queue.moved_in > queue.store.committed:
        return False
    return queue.store.note_handed(lane.lane_id, lane.handed & POSITION_MASK)


def dispatch_featured(queue: FeaturedQueue) -> None:
    """Dispatch from a queue in which more matters than which consumer has room."""
    if queue.paused:
        return
    selection = queue.selection
    if selection is not None:
        selection.begin()
        while queue.takers.count and (found := selection.next()) is not None:
            _deliver(queue, *found)
        selection.end()
        return
    while (consumer := _next_taker(queue)) is not None:
        queued = take(queue, consumer)
        if queued is None:
            return
        _deliver(queue, consumer, queued)


def _deliver(queue: FeaturedQueue, consumer: Consumer, queued: QueuedMessage) -> None:
    """One message that was just taken goes to a consumer."""
    try:
        waits = must_hold(queue, queued, no_ack=consumer.no_ack)
        if consumer.no_ack:
            queue.accept(queued)
        else:
            queue.watch_deadline(queued, consumer)
        consumer.deliver(queued)
    except BaseException:
        _recall(queue, consumer, [queued])
        raise
    if waits:
        consumer.hold(queue.store.batch)
    # It may have been withdrawn by what the delivery led to.
    if consumer.waiting:
        queue.takers.served(consumer)


def _recall(queue: FeaturedQueue, consumer: Consumer, batch: list[QueuedMessage]) -> None:
    """The hand-over has failed, and who knows how far it came: back, counted and marked; what was said is void.

    Others are served before the consumer is asked again.
    """
    queue.withdraw(consumer)
    queue.release([take_back(queued, queue) for queued in batch if queued.state == HELD])


def _next_taker(queue: FeaturedQueue) -> Consumer | None:
    """Who is served next: of those in line the highest priority, and of these the longest waiting; now at the head.

    Whoever has lost its room since it was offered is passed over.
    """
    while (consumer := queue.takers.head()) is not None:
        if consumer.has_room():
            return consumer
        queue.pass_over(consumer)
    return None


def take(queue: FeaturedQueue, holder: Consumer | None) -> QueuedMessage | None:
    """The next message that is at hand, now held by a consumer, or by somebody who fetches it (None).

    One whose time is over does not count: it expires here.
    """
    if queue.paused:
        return None
    if queue.selection is not None:
        return queue.selection.fetch()
    for lane in queue.lanes:
        while (queued := lane.pop()) is not None:
            # What may only go to a waiting consumer has found one.
            if queued.expires_at > NOW_OR_NEVER and queue.expiry.is_over(queued):
                queue.expiry.drop(queued)
                continue
            queued.hold(holder)
            queue.handed_out(1)
            if queued.returns:
                queue.redelivered(1)
            if queued.stored == DURABLE:
                if queued.returns:
                    queue.store.update(queued)
                queue.store.mark_handed(lane.lane_id, lane.handed & POSITION_MASK)
            return queued
        if lane.paged:
            return None
    return None
