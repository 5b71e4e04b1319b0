"""Headers by which a publisher asks the queue for something: to wait with a message, or to take it only once.

``x-delay`` (milliseconds from now), ``x-deliver-at`` (a moment: milliseconds of the epoch, or a timestamp) and
``x-deduplication-header`` (a value that is the same for the same message).
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from hashlib import blake2b
from typing import TYPE_CHECKING

from batonmq.broker.settings import TIME_MAX
from batonmq.errors import PreconditionFailed
from batonmq.fields import Timestamp, type_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from batonmq.fields import FieldValue

DELAY = "x-delay"
DELIVER_AT = "x-deliver-at"
DEDUPLICATION = "x-deduplication-header"
# What all of them begin with: where it does not occur, nothing is asked for.
MARK = b"x-de"
KEY_BYTES = 16


def check_headers(headers: Mapping[str, FieldValue], now: int) -> None:
    """Refuse what could not be done, before the message goes anywhere. Raises PreconditionFailed."""
    due_of(headers, now)
    key_of(headers)


def due_of(headers: Mapping[str, FieldValue], now: int) -> int:
    """When a message is to be delivered, in milliseconds of the epoch; 0: at once.

    ``now`` is in milliseconds of the epoch. ``x-deliver-at`` counts where both are given; a moment that has passed
    means at once. Raises PreconditionFailed for a wrong type, a negative number and what is more than 100 years off.
    """
    due = 0
    delay = headers.get(DELAY)
    if delay is not None:
        due = now + _milliseconds(DELAY, delay, TIME_MAX)
    at = headers.get(DELIVER_AT)
    if isinstance(at, Timestamp):
        due = _milliseconds(DELIVER_AT, int(at) * 1000, now + TIME_MAX)
    elif isinstance(at, datetime):
        due = _milliseconds(DELIVER_AT, int(at.timestamp() * 1000), now + TIME_MAX)
    elif at is not None:
        due = _milliseconds(DELIVER_AT, at, now + TIME_MAX)
    return due if due > now else 0


def _milliseconds(name: str, value: FieldValue, most: int) -> int:
    if isinstance(value, bool | Timestamp) or not isinstance(value, int):
        raise PreconditionFailed(f"invalid header '{name}': expected integer, got {type_name(value)}")
    if value < 0:
        raise PreconditionFailed(f"invalid header '{name}': {{value_negative,{int(value)}}}")
    if value > most:
        raise PreconditionFailed(f"invalid header '{name}': {{value_too_large,{int(value)}}}")
    return int(value)


def key_of(headers: Mapping[str, FieldValue]) -> bytes | None:
    """What two messages have in common of which only one is wanted; None: it is not asked for.

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
