"""The only way into a queue: every message that takes a new place in it comes this way.

    published, dead-lettered, moved, a repeated copy ..... ``place``
    fallen due ........................................... ``enter``

The plain path (``Queue.publish``) needs none of this, and goes to the lane at once.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from batonmq.broker.features.dead_letters import dead_letter_message
from batonmq.broker.features.length_limit import make_room, refuses
from batonmq.broker.features.publish_headers import asks, due_of, key_of, without_times
from batonmq.broker.model.outcomes import KEPT, REFUSED, STORED
from batonmq.broker.model.settings import REJECT_PUBLISH_DLX
from batonmq.broker.selectors.parser import MessageSelector, parse_selector
from batonmq.queued import DURABLE, IN_MEMORY, READY

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from batonmq.broker.lanes.lane import Lane
    from batonmq.broker.queues.featured import FeaturedQueue
    from batonmq.fields import FieldValue
    from batonmq.message import Message
    from batonmq.queued import QueuedMessage


def publish_featured(queue: FeaturedQueue, message: Message) -> int:
    """Publish a message to a queue whose settings, or whose message's headers, ask for a feature.

    Returns REFUSED, KEPT or STORED. Raises PreconditionFailed for invalid headers, which a protocol refuses beforehand.
    """
    if queue.deleted:
        # The queue was deleted after the message was routed to it: as if there had been no queue.
        return KEPT
    if queue.settings.selector is not None and not _is_selected(queue, message):
        return KEPT
    due = 0
    key: bytes | None = None
    properties = message.properties
    if asks(properties):
        headers = properties.headers or {}
        due = due_of(headers, queue.scheduler.now())
        key = _key(queue, message, headers)
        if key is not None and queue.deduplication().is_known(key, message):
            return STORED if queue.deduplication().is_uncommitted(key) else KEPT
    if queue.settings.limits_length and not due and _is_refused(queue, message):
        return REFUSED
    is_stored = queue.survives_restart and properties.persistent
    if key is not None:
        queue.deduplication().note(key, is_stored=is_stored)
    if due:
        queue.postpone(message, due)
    else:
        place(queue, message, DURABLE if is_stored else IN_MEMORY)
    return STORED if is_stored else KEPT


def move_in(queue: FeaturedQueue, message: Message) -> int:
    """Put in a message from another queue: it has no delay, and is not checked for duplicates.

    Returns KEPT or STORED; REFUSED: the queue is deleted. Check beforehand that it has room.
    """
    if queue.deleted:
        return REFUSED
    queue.expect(message)
    is_stored = queue.survives_restart and message.properties.persistent
    # It is in the store even if it was paged out at once.
    return STORED if place(queue, message, DURABLE if is_stored else IN_MEMORY).stored else KEPT


def copy_in(queue: FeaturedQueue, origin: QueuedMessage, *, is_owed: bool) -> bool:
    """Put in a copy of a delayed message, without its delay; False: the queue is full and refuses it.

    It goes to the store in one batch with the change of ``origin``. ``is_owed``: if the batch fails, both are tried
    again.
    """
    properties = origin.message.properties
    headers = without_times(properties.headers or {}) or None
    copy = origin.message.with_properties(properties.replace(headers=headers))
    queue.expect(copy)
    if queue.settings.limits_length and _is_refused(queue, copy):
        return False
    is_stored = origin.stored == DURABLE
    if is_stored and is_owed:
        queue.store.insert_dependent(copy, origin)
    place(queue, copy, DURABLE if is_stored else IN_MEMORY)
    return True


def needing_room(queue: FeaturedQueue, messages: Iterable[Message]) -> list[int]:
    """The sizes of those of these messages that would be ready in the queue, if they were published in this order.

    The others are delayed, duplicates, or not selected: even a full queue takes them.
    """
    now = queue.scheduler.now()
    keys: set[bytes] = set()
    weights = []
    for message in messages:
        if not _is_selected(queue, message):
            continue
        if asks(message.properties):
            headers = message.properties.headers or {}
            key = _key(queue, message, headers)
            if key is not None:
                if key in keys or queue.deduplication().find(key) is not None:
                    continue
                keys.add(key)
            if due_of(headers, now):
                continue
        weights.append(message.weight)
    return weights


def _is_selected(queue: FeaturedQueue, message: Message) -> bool:
    """Does the queue's own selector, if it has one, let the message in?"""
    selector = queue.settings.selector
    return selector is None or _compiled(selector).matches(message)


def _key(queue: FeaturedQueue, message: Message, headers: Mapping[str, FieldValue]) -> bytes | None:
    """The message's deduplication key; None: it has none, or the queue does not look for duplicates."""
    # A dead letter is no duplicate: the broker itself sends it again.
    return key_of(headers) if queue.settings.deduplicates and not message.is_dead_letter else None


@lru_cache(maxsize=1024)
def _compiled(selector: str) -> MessageSelector:
    return parse_selector(selector)


def _is_refused(queue: FeaturedQueue, message: Message) -> bool:
    """Does a full queue refuse the message? Then it may go to the dead letters."""
    if not refuses(queue, message):
        return False
    dies = queue.settings.overflow == REJECT_PUBLISH_DLX
    queue.has_refused(is_dead_letter=dies and dead_letter_message(queue, queue.router, message, "maxlen"))
    return True


def place(queue: FeaturedQueue, message: Message, stored: int) -> QueuedMessage:
    """Put a message at the tail of the lane of its priority, kept as ``stored`` says (IN_MEMORY or DURABLE)."""
    queued = queue.lane_for(message).enqueue(message, stored, queue.expiry.time_of(message, queue.settings.ttl))
    _entered(queue, queued)
    return queued


def enter(queue: FeaturedQueue, queued: QueuedMessage, lane: Lane, *, is_new: bool) -> None:
    """Put a delayed message, which the store may have under another row, at the tail of a lane."""
    waited_at = queued.row
    queued.fall_due(lane.next_place())
    if is_new:
        queued.expire_at(queue.expiry.time_of(queued.message, queue.settings.ttl))
    else:
        queue.has_entered_again()
    if queued.stored:
        queue.store.move(queued, waited_at)
    lane.append(queued)
    _entered(queue, queued)


def _entered(queue: FeaturedQueue, queued: QueuedMessage) -> None:
    if not queued.message.properties.plain:
        queue.look_for_group(queued.message)
    # A message that was paged out at once is watched by the store's index.
    if queued.expires_at and queued.state == READY:
        queue.expiry.watch(queued)
    queue.touch()
    if queue.settings.limits_length:
        make_room(queue)
