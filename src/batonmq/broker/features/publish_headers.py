"""Headers by which a publisher asks the queue for something: to wait with a message, or to take it only once.

``x-delay`` or ``AMQ_SCHEDULED_DELAY`` (milliseconds from now), ``x-deliver-at`` (a moment: milliseconds of the epoch,
or a timestamp), ``x-deduplication-header`` (a value that is the same for the same message), and those that have a
message delivered again and again, of which schedules.py tells.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from hashlib import blake2b
from typing import TYPE_CHECKING

from batonmq.broker.features.schedules import (
    CRON,
    PERIOD,
    REPEAT,
    SCHEDULE_MARK,
    SCHEDULED_DELAY,
    Schedule,
    milliseconds,
    read_schedule,
)
from batonmq.broker.model.settings import TIME_MAX
from batonmq.errors import PreconditionFailed
from batonmq.field_encoding import type_name
from batonmq.fields import Timestamp

if TYPE_CHECKING:
    from collections.abc import Mapping

    from batonmq.fields import FieldValue
    from batonmq.message import Message
    from batonmq.properties import Properties

DELAY = "x-delay"
DELIVER_AT = "x-deliver-at"
DEDUPLICATION = "x-deduplication-header"
# All of these begin so: headers with neither this nor SCHEDULE_MARK ask for nothing.
MARK = b"x-de"
KEY_BYTES = 16
# Headers that count once: they are removed when the delay is over.
TIMES = frozenset({DELAY, DELIVER_AT, SCHEDULED_DELAY, PERIOD, REPEAT, CRON})


def asks(properties: Properties) -> bool:
    """May the headers hold a request? False is certain."""
    return properties.mentions_either(MARK, SCHEDULE_MARK)


def check_headers(headers: Mapping[str, FieldValue], now: int) -> None:
    """Refuse invalid headers before the message goes anywhere. Raises PreconditionFailed."""
    due_of(headers, now)
    key_of(headers)


def due_of(headers: Mapping[str, FieldValue], now: int) -> int:
    """When a message is to be delivered, in milliseconds of the epoch; 0: at once.

    ``now`` is in milliseconds of the epoch. ``x-deliver-at`` counts where both are given; a moment that has passed
    means at once. Raises PreconditionFailed for a wrong type, a negative number, a time more than 100 years off, and an
    invalid schedule.
    """
    delay = _delay(headers)
    due = now + delay if delay is not None else 0
    at = headers.get(DELIVER_AT)
    if isinstance(at, Timestamp):
        due = milliseconds(DELIVER_AT, int(at) * 1000, now + TIME_MAX)
    elif isinstance(at, datetime):
        due = milliseconds(DELIVER_AT, int(at.timestamp() * 1000), now + TIME_MAX)
    elif at is not None:
        due = milliseconds(DELIVER_AT, at, now + TIME_MAX)
    schedule = schedule_of(headers)
    if schedule is None:
        return due if due > now else 0
    if schedule.cron is not None:
        if at is not None:
            raise PreconditionFailed(f"invalid header '{CRON}': it cannot go with '{DELIVER_AT}'")
        return schedule.first(now)
    if not schedule.repeat:
        return due if due > now else 0
    if delay is None and at is None:
        # As in ActiveMQ, the first delivery comes after one period.
        return now + schedule.period
    # A message that is delivered at once is kept for its repeats.
    return max(due, now)


def schedule_of(headers: Mapping[str, FieldValue]) -> Schedule | None:
    """The schedule of a repeated message; None: it is not repeated. Raises PreconditionFailed."""
    return read_schedule(headers, _delay(headers) or 0)


def schedule_in(message: Message) -> Schedule | None:
    """The schedule of a delayed message; None: it is delivered once."""
    try:
        return schedule_of(message.properties.headers or {})
    except PreconditionFailed:
        # The message was stored by an earlier version, which did not read these headers.
        return None


def without_times(headers: Mapping[str, FieldValue]) -> dict[str, FieldValue]:
    """The headers of a delayed message without those that would delay it again."""
    return {name: value for name, value in headers.items() if name not in TIMES}


def _delay(headers: Mapping[str, FieldValue]) -> int | None:
    for name in (DELAY, SCHEDULED_DELAY):
        value = headers.get(name)
        if value is not None:
            return milliseconds(name, value, TIME_MAX)
    return None


def key_of(headers: Mapping[str, FieldValue]) -> bytes | None:
    """The deduplication key of a message; None: it has none.

    Texts, binaries and numbers count, each for itself: ``1`` and ``"1"`` differ, ``1`` on a byte and ``1`` on eight
    do not. Raises PreconditionFailed for other types.
    """
    value = headers.get(DEDUPLICATION)
    if value is None:
        return None
    if isinstance(value, bool | Decimal | float) or not isinstance(value, str | bytes | int):
        raise PreconditionFailed(
            f"invalid header '{DEDUPLICATION}': expected longstr, binary or an integer, got {type_name(value)}"
        )
    if isinstance(value, str):
        tagged = b"s" + value.encode(errors="surrogateescape")
    elif isinstance(value, int):
        tagged = b"i%d" % value
    else:
        tagged = b"b" + value
    return blake2b(tagged, digest_size=KEY_BYTES).digest()
