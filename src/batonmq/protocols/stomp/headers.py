"""Headers of SEND to properties of a message, and back to headers of MESSAGE.

What AMQP has a property for becomes one, every other header an AMQP header of text; docs/stomp.md has the table. A
value that a property cannot hold (more than 255 octets) stays a header, and reaches another STOMP client all the same.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Final

from batonmq.broker.features.publish_headers import DEDUPLICATION, DELAY, DELIVER_AT
from batonmq.broker.features.schedules import PERIOD, REPEAT
from batonmq.fields import FieldError, LongLong, LongString
from batonmq.properties import Properties, PropertyValues
from batonmq.protocols.stomp.destinations import shown_address
from batonmq.protocols.stomp.failures import StompFailure

if TYPE_CHECKING:
    from collections.abc import Mapping

    from batonmq.fields import FieldValue
    from batonmq.protocols.stomp.dialects import Dialect

__all__ = ["OWN_HEADERS", "flag", "has_time", "integer", "is_text", "properties_of", "shown_headers", "stamped"]

# What belongs to the frame and not to the message.
FRAME_HEADERS: Final = frozenset(
    {"ack", "content-length", "destination", "message-id", "receipt", "redelivered", "subscription", "transaction"}
)
TEXTS: Final[dict[str, str]] = {
    "content-type": "content_type",
    "content-encoding": "content_encoding",
    "correlation-id": "correlation_id",
    "amqp-message-id": "message_id",
    "type": "type",
    "user-id": "user_id",
    "app-id": "app_id",
}
# Says that a message was sent as text: the mapping of JMS to AMQP has it so, and 5 for text.
TEXT_MARK: Final = "x-opt-jms-msg-type"
TEXT: Final = 5
# The property timestamp is in seconds; what is known more exactly stands here, as of RabbitMQ's plugin for it.
IN_MILLISECONDS: Final = "timestamp_in_ms"
# What a message has that its client did not write.
OWN_HEADERS: Final = frozenset({TEXT_MARK, IN_MILLISECONDS})
# Above this a timestamp is in milliseconds already: the year 5138 in seconds.
SECONDS_MAX: Final = 100_000_000_000
# Those that are looked at one by one.
SPECIAL: Final = frozenset({"expiration", "expires", "persistent", "priority", "reply-to", "timestamp"})

# Octets of a property of text.
SHORT: Final = 255
PRIORITY_MAX: Final = 255
# A JMS priority that was not set (JMS 2.0 §3.4.10).
DEFAULT_PRIORITY: Final = 4
PRIORITY_FLAG: Final = 1 << 11

# Headers that ask the broker for something, and under which name it knows them. Both are kept.
WISHES: Final[dict[str, str]] = {
    "AMQ_SCHEDULED_DELAY": DELAY,
    "AMQ_SCHEDULED_TIME": DELIVER_AT,
    "_AMQ_SCHED_DELIVERY": DELIVER_AT,
    "_AMQ_DUPL_ID": DEDUPLICATION,
}
# Why a message is a dead letter, by the reason that the broker gives.
_CAUSES: Final = {
    "expired": "Message Expired",
    "maxlen": "The queue was full",
    "delivery_limit": "It was delivered too often",
}
NUMBERS: Final = frozenset({DELAY, DELIVER_AT, PERIOD, REPEAT})


def integer(name: str, text: str) -> int:
    """A header's number. Raises StompFailure."""
    digits = text.strip()
    if len(digits) > 19 or not digits.isascii() or not digits.removeprefix("-").isdigit():
        raise StompFailure("Invalid header", f"header '{name}' must be a number and is '{text[:64]}'")
    return int(digits)


def flag(text: str | None) -> bool:
    """A header that switches something on; RabbitMQ's clients write Python's words too."""
    return text in ("true", "True", "TRUE")


def properties_of(
    headers: Mapping[str, str], dialect: Dialect, *, persistent: bool, is_text: bool = False, now: int = 0
) -> Properties:
    """The properties of the message of a SEND. Raises StompFailure.

    ``persistent``: is it meant to survive a restart if it does not say so? ``is_text``: to whoever tells text from
    octets it is text. ``now``: the time that it is sent at, in milliseconds of the epoch; 0: it is not to be told.
    ``expires`` is left to the caller, who
    knows the time, and so is a reply-to of a temporary queue.
    """
    values: PropertyValues = {}
    table: dict[str, FieldValue] = {}
    for name, value in headers.items():
        if name in FRAME_HEADERS:
            continue
        if name in TEXTS and (name != "user-id" or dialect.has_user_ids):
            if _fits(value):
                values[TEXTS[name]] = value  # type: ignore[literal-required]
            else:
                table[name] = value
        elif name not in SPECIAL:
            _keep(name, value, table)
    if "message-id" in headers and "amqp-message-id" not in headers:
        if _fits(headers["message-id"]):
            values["message_id"] = headers["message-id"]
        else:
            table["amqp-message-id"] = headers["message-id"]
    _read_special(headers, values, table, dialect)
    if now:
        values["timestamp"] = now // 1000
        table[IN_MILLISECONDS] = LongLong(now)
    if is_text:
        table[TEXT_MARK] = LongLong(TEXT)
    if flag(headers.get("persistent")) or (persistent and "persistent" not in headers):
        values["delivery_mode"] = 2
    elif "persistent" in headers:
        values["delivery_mode"] = 1
    if "reply-to" in headers:
        _read_reply_to(headers["reply-to"], dialect, values, table)
    if table:
        values["headers"] = table
    try:
        return Properties.make(**values)
    except FieldError as error:
        raise StompFailure("Invalid header", str(error)) from None


def _fits(text: str) -> bool:
    return len(text) <= SHORT and len(text.encode(errors="surrogateescape")) <= SHORT


def _keep(name: str, value: str, table: dict[str, FieldValue]) -> None:
    wish = WISHES.get(name)
    if wish is not None:
        table[wish] = LongLong(integer(name, value)) if wish in NUMBERS else value
    table[name] = LongLong(integer(name, value)) if name in NUMBERS else value


def _read_special(
    headers: Mapping[str, str], values: PropertyValues, table: dict[str, FieldValue], dialect: Dialect
) -> None:
    if "priority" in headers:
        priority = integer("priority", headers["priority"])
        if not 0 <= priority <= PRIORITY_MAX:
            raise StompFailure("Invalid header", f"header 'priority' must be 0 to {PRIORITY_MAX} and is {priority}")
        values["priority"] = priority
    if "timestamp" in headers:
        text = headers["timestamp"]
        if has_time(headers):
            values["timestamp"] = int(text)
            if dialect.shows_time:
                values["timestamp"] = int(text) // 1000
                table[IN_MILLISECONDS] = LongLong(int(text))
        else:
            # Applications have their own ideas of it.
            table["timestamp"] = text
    if "expiration" in headers:
        expiration = integer("expiration", headers["expiration"])
        if expiration < 0:
            raise StompFailure("Invalid header", f"header 'expiration' must not be negative and is {expiration}")
        values["expiration"] = str(expiration)


def _read_reply_to(text: str, dialect: Dialect, values: PropertyValues, table: dict[str, FieldValue]) -> None:
    name = text
    if text.startswith("/reply-queue/"):
        name = text.removeprefix("/reply-queue/")
    elif dialect.reply_to_is_bare and text.startswith(("/queue/", "queue://")) and "%" not in text:
        # An AMQP client that replies takes it for the name of the queue.
        name = text.removeprefix("/queue/").removeprefix("queue://")
    if not name or not _fits(text):
        table["reply-to"] = text
        return
    values["reply_to"] = name
    if dialect.reply_to_is_bare and text != _shown_reply_to(name):
        table["reply-to"] = text


def _shown_reply_to(name: str) -> str:
    return name if name.startswith("/") else "/reply-queue/" + name


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
        found.append(("reply-to", _shown_reply_to(properties.reply_to)))
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


def stamped(properties: Properties, now: int) -> Properties:
    """The same with another time of the SEND, in milliseconds of the epoch."""
    headers = {**(properties.headers or {}), IN_MILLISECONDS: LongLong(now)}
    return properties.replace(timestamp=now // 1000, headers=headers)


def has_time(headers: Mapping[str, str]) -> bool:
    """Does the client say when it sent the message?"""
    text = headers.get("timestamp", "")
    return text.isascii() and text.isdigit() and len(text) <= 18


def is_text(properties: Properties) -> bool:
    """Was it sent as text, by a client that tells text from octets?"""
    return properties.mentions(TEXT_MARK.encode()) and (properties.headers or {}).get(TEXT_MARK) == TEXT


def _milliseconds(properties: Properties, headers: Mapping[str, FieldValue]) -> int:
    """When it was sent; 0: nobody knows."""
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
    """A field as text; None for what is no single value: tables, arrays, octets that are no text."""
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
