"""Retries: a returned message goes to its old place, at once or after a delay, or past the limit to the dead letters.

Every return counts, whatever its cause: basic.nack and basic.reject with requeue, basic.recover, a consumer that is
lost, an ack timeout that has passed; all but AMQP 1.0's `released`, and `modified` that does not say that it has
failed. The delay grows with the count, which is in the store and survives a restart:

    retry-delay * backoff ^ (count - 1), at most retry-max-delay

unless the consumer that gives it back names a delay, or says that the attempt does not count. RabbitMQ's own delay is
delayed-retry-min * count, at most delayed-retry-max. It depends on whether the message has failed (basic.reject, a
consumer that is lost or too slow) or was merely returned (basic.nack), which does not count there, so that its delay
does not grow.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from batonmq.broker.model.settings import ALL, FAILED, RETURNED, TIME_MAX

if TYPE_CHECKING:
    from batonmq.broker.lanes.state import QueueState
    from batonmq.broker.model.settings import Settings
    from batonmq.queued import QueuedMessage


# The reason for dead-lettering a message that has come back too often.
DELIVERY_LIMIT = "delivery_limit"


def retry_delay(settings: Settings, count: int, *, failed: bool = True, counted: bool = True) -> int:
    """The delay after that many returns, in milliseconds."""
    if settings.retry_delay is None and settings.delayed_retry_type in (ALL, FAILED if failed else RETURNED):
        least, most = settings.delayed_retry_min, settings.delayed_retry_max
        return min(least * (count if failed else 1), least if most is None else most)
    if not settings.retry_delay or not counted:
        return 0
    most = TIME_MAX if settings.retry_max_delay is None else settings.retry_max_delay
    try:
        delay = settings.retry_delay * settings.retry_backoff ** (count - 1)
    except OverflowError:
        return most
    return int(min(delay, most))


def is_past_limit(queue: QueueState, queued: QueuedMessage) -> bool:
    """Has the message come back too often?

    Checked for every message that a consumer gives back, and every message read from the store, where the end of a
    process counts as a return.
    """
    limit = queue.settings.delivery_limit
    return limit is not None and queued.return_count > limit


def is_given_up(queue: QueueState, queued: QueuedMessage) -> bool:
    """Check a message that is in no lane: if it has come back too often, it leaves the queue."""
    if not is_past_limit(queue, queued):
        return False
    queue.discard(queued, DELIVERY_LIMIT)
    return True
