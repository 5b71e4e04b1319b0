"""Dead-lettering: a message that was rejected, expired, pushed out or delivered too often goes to an exchange.

The record of deaths is a header, where clients look for it. Only what the broker has written into a ``DeadLetter``
counts, and not what a client has written, as in RabbitMQ 4. Otherwise a message that is published again with the
headers that it came with would be taken for one that goes round in a circle, and its record would grow each time.

With the strategy at-least-once, a dead letter that no queue would take is kept back in the queue where it died, among
the delayed messages, and tried again.

The copy for the dead-letter queue and the removal from the old one are collected into one store transaction: after a
crash the message is in one of the two places, never in none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from batonmq.broker.features.publish_headers import DELIVER_AT, TIMES
from batonmq.fields import LongLong, Timestamp
from batonmq.message import DeadLetter
from batonmq.queued import DURABLE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from batonmq.broker.lanes.state import QueueState
    from batonmq.broker.routing.router import Router
    from batonmq.fields import FieldValue
    from batonmq.message import Message
    from batonmq.queued import QueuedMessage
    from batonmq.store.records import StoredMessage

Death = dict[str, "FieldValue"]
# The headers that say why a consumer rejected the message, where it has said so: for people, and for programs.
REASON = "x-reject-reason"
CONDITION = "x-reject-condition"
# The header that says how often the message came back.
COUNT = "x-delivery-count"
# The headers that dead-lettering adds, here or on RabbitMQ: these names, and those with one of the prefixes.
DEATH_HEADERS = frozenset({"x-death", REASON, CONDITION, COUNT, "x-acquired-count"})
DEATH_MARKS = ("x-first-death-", "x-last-death-")
# Headers that would delay the message again.
WAITED = TIMES - {DELIVER_AT}
COUNT_MAX = 2**63 - 1
# How long a dead letter without a place waits before the next attempt: as long as it has been dead, within these bounds
# (milliseconds).
WAIT_MIN, WAIT_MAX = 1_000, 30_000
# A dead letter may push another out of its target queue, and that one the next. After this many, one waits in its queue
# until a later turn: each takes some of the stack, whose end compiled code does not notice.
CHAIN_MAX = 8


def is_death_header(name: str) -> bool:
    """Does a header of this name record a message's deaths, or its returns?"""
    return name in DEATH_HEADERS or name.startswith(DEATH_MARKS)


def with_reason(message: Message, reason: str, condition: str = "") -> Message:
    """The message with its consumer's reason, in place of an earlier one."""
    headers = {**(message.properties.headers or {}), REASON: reason, CONDITION: condition}
    given = {name: value for name, value in headers.items() if value or name not in (REASON, CONDITION)}
    return message.with_properties(message.properties.replace(headers=given))


def has_dead_letters(queue: QueueState, router: Router) -> bool:
    """Do the dead letters of this queue go to an exchange?"""
    name = queue.settings.dead_letter_exchange
    return name is not None and (router.exchange(name) is not None or queue.settings.dead_letters_at_least_once)


def dead_letter(queue: QueueState, router: Router, queued: QueuedMessage, reason: str) -> bool:
    """Send a message's copy to its queue's dead-letter exchange, if it has one; returns whether it has.

    Reasons: 'rejected', 'expired', 'maxlen', 'delivery_limit'.
    """
    origin = queued if queued.stored == DURABLE else None
    return dead_letter_message(queue, router, uncounted(queue, queued), reason, origin)


def dead_letter_message(
    queue: QueueState, router: Router, message: Message, reason: str, origin: QueuedMessage | None = None
) -> bool:
    """Dead-letter a message, which may never have been in the queue (x-overflow reject-publish-dlx).

    ``origin``: the message in the store, if it is there. The copy is then a dependent insert: it must not be lost when
    a batch fails, since nobody would be told. Returns False if the queue has no dead letters.
    """
    name = queue.settings.dead_letter_exchange
    if name is None or not has_dead_letters(queue, router):
        return False
    original = message.properties
    # The message has had its delay.
    headers = {name: value for name, value in (original.headers or {}).items() if name not in WAITED}
    keys = [message.routing_key, *_keys(headers.get("CC"))]
    before = deaths_of(message, headers)
    deaths = _record(queue, message, keys, reason, before)
    headers["x-death"] = list(deaths)
    for part in ("queue", "reason", "exchange"):
        # The first death is recorded once. The order of x-death does not show it, as a repeated death moves to the
        # front.
        if not before:
            headers[f"x-first-death-{part}"] = deaths[0][part]
        headers[f"x-last-death-{part}"] = deaths[0][part]
    properties = original.replace(headers=headers, expiration=None)
    copy = DeadLetter.copy_of(message, name, message.routing_key, properties)
    scheduler = queue.scheduler
    wait = 0
    if scheduler.chained < CHAIN_MAX:
        scheduler.begin_chained()
        try:
            wait = 0 if _bring(queue, router, copy, headers, deaths, origin) else WAIT_MIN
        finally:
            scheduler.end_chained()
        if not wait:
            return True
    if origin is not None:
        queue.store.insert_dependent(copy, origin)
    queue.postpone(copy, scheduler.now() + wait)
    return True


def is_kept_back(queue: QueueState, message: Message) -> bool:
    """Is this delayed message a dead letter that was kept back?"""
    if not message.is_dead_letter:
        return False
    deaths = deaths_of(message, message.properties.headers or {})
    return bool(deaths) and deaths[0].get("queue") == queue.name


def bring_again(queue: QueueState, router: Router, queued: QueuedMessage) -> int:
    """Try again to publish a dead letter that was kept back; 0: it is gone, else when to try again (ms)."""
    message = queued.message
    headers = message.properties.headers or {}
    deaths = deaths_of(message, headers)
    if _bring(queue, router, message, headers, deaths, queued if queued.stored == DURABLE else None):
        return 0
    now = queue.scheduler.now()
    died = deaths[0].get("time")
    age = now - int(died) * 1000 if isinstance(died, int) else 0
    # After twice the time, so that a million of them are cheap.
    return now + min(max(age, WAIT_MIN), WAIT_MAX)


def _bring(
    queue: QueueState,
    router: Router,
    message: Message,
    headers: Mapping[str, FieldValue],
    deaths: list[Death],
    origin: QueuedMessage | None,
) -> bool:
    """Publish to the dead-letter exchange; False: the message must stay, as no queue would take it."""
    settings = queue.settings
    name = settings.dead_letter_exchange
    if name is None:
        # The queue has no dead-letter exchange any more.
        return True
    exchange = router.exchange(name)
    keys = [message.routing_key, *_keys(headers.get("CC"))]
    if settings.dead_letter_routing_key is not None:
        keys = [settings.dead_letter_routing_key]
    targets = router.route(exchange, keys, headers, message.properties) if exchange is not None else []
    # A rejection was a client's act, so a cycle with one makes progress; other cycles would run for ever by themselves.
    wanted = [target for target in targets if deaths[0]["reason"] == "rejected" or not _is_cycle(target.name, deaths)]
    if settings.dead_letters_at_least_once and not (
        targets and all(target.has_room_for(message.weight) for target in wanted)
    ):
        return False
    copy = DeadLetter.copy_of(message, name, keys[0], message.properties)
    if origin is not None:
        queue.store.insert_dependent(copy, origin)
    for target in wanted:
        target.expect(copy)
    router.publish(copy, wanted)
    return True


def counted(message: Message, deliveries: int) -> Message:
    """The message with the header x-delivery-count: how often it came back, in queues with a delivery limit."""
    headers = {**(message.properties.headers or {}), COUNT: LongLong(deliveries)}
    return message.with_properties(message.properties.replace(headers=headers))


def uncounted(queue: QueueState, queued: QueuedMessage | StoredMessage) -> Message:
    """The message without the header x-delivery-count, as it goes to another queue, where it has not come back yet."""
    message = queued.message
    if not queued.return_count or not queue.settings.counts_deliveries:
        return message
    headers = {name: value for name, value in (message.properties.headers or {}).items() if name != COUNT}
    return message.with_properties(message.properties.replace(headers=headers or None))


def deaths_of(message: Message, headers: Mapping[str, FieldValue]) -> list[Death]:
    """The broker's record of the message's deaths, the last one first."""
    record = headers.get("x-death") if message.is_dead_letter else None
    return [dict(entry) for entry in record if isinstance(entry, dict)] if isinstance(record, list) else []


def _record(queue: QueueState, message: Message, keys: list[str], reason: str, known: list[Death]) -> list[Death]:
    """The x-death table with this death first: one entry for each queue and reason, with a count."""
    deaths = list(known)
    count = 1
    for entry in deaths:
        if entry.get("queue") == queue.name and entry.get("reason") == reason:
            before = entry.get("count")
            count = min(before + 1, COUNT_MAX) if isinstance(before, int) else 1
            deaths.remove(entry)
            break
    death: Death = {
        "count": LongLong(count),
        "reason": reason,
        "queue": queue.name,
        "time": Timestamp(int(queue.scheduler.clock.time())),
        "exchange": message.exchange,
        "routing-keys": list(keys),
    }
    if message.properties.expiration is not None:
        death["original-expiration"] = message.properties.expiration
    return [death, *deaths]


def _is_cycle(name: str, deaths: list[Death]) -> bool:
    """Did the message leave that queue before, and come here without any client having rejected it?"""
    for entry in deaths:
        if entry.get("reason") == "rejected":
            return False
        if entry.get("queue") == name:
            return True
    return False


def _keys(carbon_copies: FieldValue) -> list[str]:
    return [str(key) for key in carbon_copies if isinstance(key, str)] if isinstance(carbon_copies, list) else []
