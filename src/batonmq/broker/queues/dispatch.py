"""The way of a message out of a queue: plain, and where its consumers or its messages are not all alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batonmq.broker.features.expiry import NOW_OR_NEVER
from batonmq.broker.model.memory import OVERHEAD
from batonmq.message import DURABLE, GONE, HELD
from batonmq.store.interface import POSITION_MASK

if TYPE_CHECKING:
    from batonmq.broker.lanes.lane import Lane
    from batonmq.broker.model.consumer import Consumer
    from batonmq.broker.queues.queue import Queue
    from batonmq.message import QueuedMessage


# A consumer gets so many bytes in one go before it is asked again whether it has room.
BATCH_BYTES = 256 << 10


def dispatch_plain(queue: Queue) -> None:
    """Hand out what is at hand of a queue's one lane, where nothing counts but who has room."""
    lane = queue.lane
    ready = lane.ready
    takers = queue.takers
    before = lane.handed
    while ready and (consumer := takers.head()) is not None:
        room = consumer.room()
        if not room:
            pass_over(queue, consumer)
            continue
        # Among several each gets one message in turn; one alone gets what it has room for.
        batch = _take_batch(lane, room if len(takers) == 1 else 1)
        waits = _must_any_wait(queue, batch)
        if not consumer.no_ack:
            queue.unsettled += len(batch)
        for queued in batch:
            if consumer.no_ack:
                queued.state = GONE
                if queued.stored:
                    queue.store.delete(queued)
                continue
            queued.state = HELD
            queued.holder = consumer
            if queued.deliveries and queued.stored == DURABLE:
                queue.store.update(queued)
        try:
            consumer.deliver_all(batch)
        except BaseException:
            _recall(queue, consumer, batch)
            raise
        if waits and not _is_noted(queue, lane, batch):
            consumer.hold(queue.store.batch)
        if consumer.waiting:
            takers.served(consumer)
    if lane.handed > before and queue.kept:
        queue.store.mark_handed(lane.lane_id, lane.handed & POSITION_MASK)


def _take_batch(lane: Lane, most: int) -> list[QueuedMessage]:
    """The head of the window: so many messages, or what makes up a write to a socket."""
    ready = lane.ready
    batch: list[QueuedMessage] = []
    size = 0
    while ready and len(batch) < most and size < BATCH_BYTES:
        queued = ready.popleft()
        if queued.state == GONE:
            lane.gone -= 1
            continue
        size += queued.message.size + OVERHEAD
        batch.append(queued)
    lane.bytes -= size
    if batch and batch[-1].row > lane.handed:
        lane.handed = batch[-1].row
    return batch


def must_wait(queue: Queue, queued: QueuedMessage) -> bool:
    """Must the hand-over of this message be noted in the store before its client may see it?

    Not when the message itself is written with the same batch: should the process be killed before that, it was never
    confirmed, and does not come again. One that stands for a row of the store would: as it was, where it was.
    """
    store = queue.store
    if store.error is not None:
        # Nobody waits for a disk that takes nothing; a note may be possible all the same.
        if queue.kept and queued.stored == DURABLE and not queued.deliveries:
            store.note_handed(queued.lane.lane_id, queued.lane.handed & POSITION_MASK)
        return False
    if queue.moved_in > store.committed:
        return True
    return queue.kept and queued.stored == DURABLE and not store.is_pending(queued)


def must_hold(queue: Queue, queued: QueuedMessage, *, no_ack: bool) -> bool:
    """The same of one message that was just taken, before it counts as accepted with ``no_ack``.

    That is no reason for a commit: a note will do, where one can tell which message it was.
    """
    if not must_wait(queue, queued):
        return False
    return not (no_ack and queue.selection is None and _is_noted(queue, queued.lane, [queued]))


def _must_any_wait(queue: Queue, batch: list[QueuedMessage]) -> bool:
    """The first that is durable tells: those behind it came later, and are written no earlier."""
    if queue.kept or queue.moved_in > queue.store.committed:
        for queued in batch:
            if queued.stored == DURABLE or not queue.kept:
                return must_wait(queue, queued)
    return False


def _is_noted(queue: Queue, lane: Lane, batch: list[QueuedMessage]) -> bool:
    """Is it noted beside the store that these were handed out?

    What comes again has a count, which a commit keeps; and a note of what the store may not have yet tells nothing.
    """
    if queue.moved_in > queue.store.committed:
        return False
    for queued in batch:
        if queued.deliveries:
            return False
    return queue.store.note_handed(lane.lane_id, lane.handed & POSITION_MASK)


def dispatch_featured(queue: Queue) -> None:
    """What ``Queue.dispatch`` does where more counts than who has room."""
    if queue.paused:
        return
    if queue.selection is not None:
        queue.selection.dispatch()
        return
    while (consumer := next_taker(queue)) is not None:
        queued = queue.take()
        if queued is None:
            return
        queued.holder = consumer
        deliver(queue, consumer, queued)


def deliver(queue: Queue, consumer: Consumer, queued: QueuedMessage) -> None:
    """One message that was just taken goes to a consumer."""
    try:
        waits = must_hold(queue, queued, no_ack=consumer.no_ack)
        if consumer.no_ack:
            queue.accept(queued)
        else:
            queue.watch_deadline(queued)
        consumer.deliver(queued)
    except BaseException:
        _recall(queue, consumer, [queued])
        raise
    if waits:
        consumer.hold(queue.store.batch)
    served(queue, consumer)


def _recall(queue: Queue, consumer: Consumer, batch: list[QueuedMessage]) -> None:
    """The hand-over has failed, and who knows how far it came: back, counted and marked; what was said is void.

    Others are served before the consumer is asked again.
    """
    from batonmq.broker.queues.revoked import take_back  # the queue, which it builds on, imports this module

    queue.withdraw(consumer)
    queue.release([take_back(queued) for queued in batch if queued.state == HELD])


def next_taker(queue: Queue) -> Consumer | None:
    """Who is served next: of those in line the highest priority, and of these the longest waiting; now at the head.

    Whoever has lost its room since it was offered is passed over.
    """
    while (consumer := queue.takers.head()) is not None:
        if consumer.has_room():
            return consumer
        pass_over(queue, consumer)
    return None


def pass_over(queue: Queue, consumer: Consumer) -> None:
    """It has no room: others are served meanwhile."""
    queue.withdraw(consumer)
    consumer.passed_over()


def served(queue: Queue, consumer: Consumer) -> None:
    """It has been given a message: the others in line come first now."""
    # It may have been withdrawn by what the delivery led to.
    if consumer.waiting:
        queue.takers.served(consumer)


def take(queue: Queue) -> QueuedMessage | None:
    """What ``Queue.take`` does."""
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
            queued.state = HELD
            queued.holder = None
            queue.unsettled += 1
            if queued.stored == DURABLE:
                if queued.deliveries:
                    queue.store.update(queued)
                queue.store.mark_handed(lane.lane_id, lane.handed & POSITION_MASK)
            return queued
        if lane.paged:
            return None
    return None
