"""Headers of SEND to properties of a message.

Headers with a property in AMQP become that property, all others AMQP headers of text; docs/stomp.md has the table. A
value that a property cannot hold (more than 255 octets) stays a header, and still reaches another STOMP client.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from batonmq.broker.features.publish_headers import DELAY, DELIVER_AT
from batonmq.broker.features.schedules import PERIOD, REPEAT
from batonmq.fields import FieldError, LongLong
from batonmq.properties import Properties, PropertyValues
from batonmq.protocols.stomp.failures import StompFailure
from batonmq.protocols.stomp.headers import (
    FRAME_HEADERS,
    IN_MILLISECONDS,
    TEXT_MARK,
    TEXTS,
    WISHES,
    flag,
    has_time,
    integer,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from batonmq.fields import FieldValue
    from batonmq.protocols.stomp.dialects import Dialect

__all__ = ["is_text", "properties_of", "stamped"]

# What the mark of text says.
TEXT: Final = 5
# The headers that are handled one by one.
SPECIAL: Final = frozenset({"expiration", "expires", "persistent", "priority", "reply-to", "timestamp"})

# Octets of a property of text.
SHORT: Final = 255
PRIORITY_MAX: Final = 255
NUMBERS: Final = frozenset({DELAY, DELIVER_AT, PERIOD, REPEAT})


def properties_of(
    headers: Mapping[str, str], dialect: Dialect, *, persistent: bool, is_text: bool = False, now: int = 0
) -> Properties:
    """The properties of the message of a SEND. Raises StompFailure.

    ``persistent``: is a message without the header persistent? ``is_text``: mark it as text, for clients that
    distinguish text from octets. ``now``: the time of sending in milliseconds of the epoch, to be included; 0: not.
    The caller handles ``expires``, as it knows the time, and a reply-to of a temporary queue.
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


def stamped(properties: Properties, now: int) -> Properties:
    """The properties with another time of the SEND, in milliseconds since the epoch."""
    headers = {**(properties.headers or {}), IN_MILLISECONDS: LongLong(now)}
    return properties.replace(timestamp=now // 1000, headers=headers)


def is_text(properties: Properties) -> bool:
    """Was it sent as text, by a client that tells text from octets?"""
    return properties.mentions(TEXT_MARK.encode()) and (properties.headers or {}).get(TEXT_MARK) == TEXT


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
    if dialect.reply_to_is_bare and text != shown_reply_to(name):
        table["reply-to"] = text


def shown_reply_to(name: str) -> str:
    """A property reply-to, as frames have it."""
    return name if name.startswith("/") else "/reply-queue/" + name
