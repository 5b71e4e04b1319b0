"""Properties of a message to headers of MESSAGE."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Final

from batonmq.broker.features.publish_headers import DEDUPLICATION, DELAY, DELIVER_AT
from batonmq.fields import LongString
from batonmq.protocols.stomp.destinations import shown_address
from batonmq.protocols.stomp.headers import FRAME_HEADERS, IN_MILLISECONDS, OWN_HEADERS, TEXTS, WISHES
from batonmq.protocols.stomp.properties import shown_reply_to

if TYPE_CHECKING:
    from collections.abc import Mapping

    from batonmq.fields import FieldValue
    from batonmq.properties import Properties
    from batonmq.protocols.stomp.dialects import Dialect

__all__ = ["shown_headers"]

# Above this a timestamp is in milliseconds already: the year 5138 in seconds.
SECONDS_MAX: Final = 100_000_000_000
# A JMS priority that was not set (JMS 2.0 §3.4.10).
DEFAULT_PRIORITY: Final = 4
PRIORITY_FLAG: Final = 1 << 11
# Why a message is a dead letter, by the reason that the broker gives.
_CAUSES: Final = {
    "expired": "Message Expired",
    "maxlen": "The queue was full",
    "delivery_limit": "It was delivered too often",
}


def shown_headers(properties: Properties, dialect: Dialect) -> list[tuple[str, str]]:
    """A message's own headers in a MESSAGE."""
    headers = properties.headers or {}
    found: list[tuple[str, str]] = []
    for name, attribute in TEXTS.items():
        value = getattr(properties, attribute)
        if value is not None:
            found.append((name, value))
    if properties.persistent:
        found.append(("persistent", "true"))
    elif dialect.shows_persistent:
        found.append(("persistent", "false"))
    if properties.flags & PRIORITY_FLAG:
        found.append(("priority", str(properties.priority)))
    elif dialect.shows_defaults:
        found.append(("priority", str(DEFAULT_PRIORITY)))
    if properties.reply_to is not None and "reply-to" not in headers:
        found.append(("reply-to", shown_reply_to(properties.reply_to)))
    if properties.expiration is not None and dialect.shows_expiration:
        found.append(("expiration", properties.expiration))
    if dialect.shows_time:
        if "timestamp" not in headers:
            found.append(("timestamp", str(_milliseconds(properties, headers))))
    elif properties.timestamp is not None:
        found.append(("timestamp", str(properties.timestamp)))
    if dialect.shows_origin:
        found += _origin(headers, dialect)
    names = {name for name, _ in found}
    for name, value in headers.items():
        if name in FRAME_HEADERS or name in names or _is_wish(name, headers):
            continue
        text = _shown(value)
        if text is not None:
            found.append((name, text))
    return found


def _milliseconds(properties: Properties, headers: Mapping[str, FieldValue]) -> int:
    """The time of sending, in milliseconds of the epoch; 0: unknown."""
    exact = headers.get(IN_MILLISECONDS)
    if isinstance(exact, int):
        return int(exact)
    timestamp = properties.timestamp or 0
    return timestamp if timestamp > SECONDS_MAX else timestamp * 1000


def _origin(headers: Mapping[str, FieldValue], dialect: Dialect) -> list[tuple[str, str]]:
    """Of a dead letter: where it was sent to, and why it is one if that was not a client's doing."""
    deaths = headers.get("x-death")
    death = deaths[0] if isinstance(deaths, list) and deaths else None
    if not isinstance(death, dict):
        return []
    keys, exchange = death.get("routing-keys"), death.get("exchange")
    key = keys[0] if isinstance(keys, list) and keys else None
    found: list[tuple[str, str]] = []
    if dialect.has_bare_names:
        found = [("_AMQ_ORIG_ADDRESS", str(key)), ("_AMQ_ORIG_QUEUE", str(death.get("queue")))]
        time = death.get("time")
        if death.get("reason") == "expired" and isinstance(time, int):
            found.append(("_AMQ_ACTUAL_EXPIRY", str(time * 1000)))
        return found
    if isinstance(key, str) and isinstance(exchange, str) and "original-destination" not in headers:
        found.append(("original-destination", shown_address(exchange, key, dialect)))
    cause = _CAUSES.get(str(death.get("reason")))
    if cause is not None:
        found.append(("dlqDeliveryFailureCause", cause))
    return found


def _is_wish(name: str, headers: Mapping[str, FieldValue]) -> bool:
    """Is it what another header was translated to, or no client's at all?"""
    if name in OWN_HEADERS:
        return True
    return name in (DELAY, DELIVER_AT, DEDUPLICATION) and any(
        name == wish and other in headers for other, wish in WISHES.items()
    )


def _shown(value: FieldValue) -> str | None:
    """A field as text; None for what is not a single value: tables, arrays, octets that are no text."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float | Decimal):
        return str(value)
    if isinstance(value, LongString):
        # Text all the same, in another encoding.
        return value.decode(errors="surrogateescape")
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return None
    return None
