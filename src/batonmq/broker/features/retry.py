"""What consumers give back: to its old place, at once or after a delay, or past the limit to the dead letters.

Every return counts, whoever makes it: basic.nack and basic.reject with requeue, basic.recover, a consumer that is lost,
an ack deadline that has passed. The delay grows with the count, which is in the store and survives a restart:

    retry-delay * backoff ^ (count - 1), at most retry-max-delay

unless whoever gives it back says how long. RabbitMQ's own is delayed-retry-min * count, at most delayed-retry-max, and
goes by whether the message has failed (basic.reject, a consumer that is lost or too slow) or was merely returned
(basic.nack), which there does not count, so that its delay does not grow.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from batonmq.broker.features.dead_letters import counted
from batonmq.broker.features.length_limit import make_room
from batonmq.broker.model.settings import ALL, FAILED, RETURNED, TIME_MAX
from batonmq.message import DURABLE, GONE, READY

if TYPE_CHECKING:
    from batonmq.broker.model.settings import Settings
    from batonmq.broker.queues.queue import Queue
    from batonmq.message import QueuedMessage


# Why a message goes to the dead letters that has come back too often.
DELIVERY_LIMIT = "delivery_limit"


def retry_delay(settings: Settings, count: int, *, failed: bool = True) -> int:
    """How long a message waits that has come back so many times, in milliseconds."""
    if settings.retry_delay is None and settings.delayed_retry_type in (ALL, FAILED if failed else RETURNED):
        least, most = settings.delayed_retry_min, settings.delayed_retry_max
        return min(least * (count if failed else 1), least if most is None else most)
    if not settings.retry_delay:
        return 0
    most = TIME_MAX if settings.retry_max_delay is None else settings.retry_max_delay
    try:
        delay = settings.retry_delay * settings.retry_backoff ** (count - 1)
    except OverflowError:
        return most
    return int(min(delay, most))


def give_back(queue: Queue, held: list[QueuedMessage], wanted: int | None, *, failed: bool) -> None:
    """What ``Queue.release`` does."""
    back = [queued for queued in held if _returns_now(queue, queued, wanted, failed=failed)]
    # From the last to the first, each is put before the head.
    for queued in reversed(back):
        if queued.stored == DURABLE:
            queue.store.update(queued)
        queued.lane.put_back(queued)
        _is_back(queue, queued)
    if queue.deleted:
        return
    queue.touch()
    if queue.settings.limits_length:
        make_room(queue)


def _returns_now(queue: Queue, queued: QueuedMessage, wanted: int | None, *, failed: bool) -> bool:
    """One that was given back: False if it is to wait first, or goes to the dead letters, in the order of hand-over."""
    settings = queue.settings
    queue.unsettled -= 1
    queued.holder = None
    if queue.deleted:
        queued.state = GONE
        return False
    queued.deliveries += 1
    queued.state = READY
    if settings.counts_deliveries:
        queued.message = counted(queued.message, queued.deliveries)
    if is_given_up(queue, queued):
        return False
    delay = retry_delay(settings, queued.deliveries, failed=failed) if wanted is None else wanted
    if delay:
        queue.delaying().postpone(queued, int(queue.broker.clock.time() * 1000) + delay)
        return False
    return not _is_over(queue, queued)


def is_past_limit(queue: Queue, queued: QueuedMessage) -> bool:
    """Has it come back too often?

    Asked of all that consumers give back, and of all that is read from the store: what the end of the process has
    taken out of their hands is counted there.
    """
    limit = queue.settings.delivery_limit
    return limit is not None and queued.deliveries > limit


def is_given_up(queue: Queue, queued: QueuedMessage) -> bool:
    """The same of one that is in no lane; then it goes."""
    if not is_past_limit(queue, queued):
        return False
    queue.discard(queued, DELIVERY_LIMIT)
    return True


def come_back(queue: Queue, queued: QueuedMessage) -> None:
    """The delay of a message that was given back is over."""
    if is_given_up(queue, queued) or _is_over(queue, queued):
        return
    queued.lane.rejoin(queued)
    _is_back(queue, queued)
    queue.touch()
    if queue.settings.limits_length:
        make_room(queue)


def _is_over(queue: Queue, queued: QueuedMessage) -> bool:
    """Has it expired meanwhile? Then it goes."""
    if queued.expires_at and queue.expiry.is_over(queued):
        queue.discard(queued, "expired")
        return True
    return False


def _is_back(queue: Queue, queued: QueuedMessage) -> None:
    if queue.selection is not None:
        queue.selection.came_back(queued)
    if queued.expires_at and queued.state == READY:
        queue.expiry.watch(queued)
