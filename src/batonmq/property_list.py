"""The property list of a content header: its flags, and the encoding of each property (AMQP 0-9-1 section 4.2.6.1)."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Final

from batonmq.field_encoding import encode_name, encode_table
from batonmq.fields import NAME_MAX, FieldError, FieldValue

PERSISTENT: Final = 2
"""The delivery mode of a message that must survive a crash; 1 is transient."""

# The flags, in the order of the list. The two low bits name no property; bit 0 would announce further flags.
CONTENT_TYPE: Final = 1 << 15
CONTENT_ENCODING: Final = 1 << 14
HEADERS: Final = 1 << 13
DELIVERY_MODE: Final = 1 << 12
PRIORITY: Final = 1 << 11
CORRELATION_ID: Final = 1 << 10
REPLY_TO: Final = 1 << 9
EXPIRATION: Final = 1 << 8
MESSAGE_ID: Final = 1 << 7
TIMESTAMP: Final = 1 << 6
TYPE: Final = 1 << 5
USER_ID: Final = 1 << 4
APP_ID: Final = 1 << 3
CLUSTER_ID: Final = 1 << 2
UNKNOWN: Final = 0b11

# The properties that the broker has to check; a message without any of these is plain. A priority matters to few
# queues, which check it themselves.
NOT_PLAIN: Final = HEADERS | REPLY_TO | EXPIRATION | USER_ID

# The properties that are texts.
TEXTS: Final = 0xFFFF & ~(HEADERS | DELIVERY_MODE | PRIORITY | TIMESTAMP | UNKNOWN)

NAMES: Final = (
    ("content_type", CONTENT_TYPE),
    ("content_encoding", CONTENT_ENCODING),
    ("headers", HEADERS),
    ("delivery_mode", DELIVERY_MODE),
    ("priority", PRIORITY),
    ("correlation_id", CORRELATION_ID),
    ("reply_to", REPLY_TO),
    ("expiration", EXPIRATION),
    ("message_id", MESSAGE_ID),
    ("timestamp", TIMESTAMP),
    ("type", TYPE),
    ("user_id", USER_ID),
    ("app_id", APP_ID),
    ("cluster_id", CLUSTER_ID),
)

# The flag of each property.
FLAGS: Final = dict(NAMES)

OCTETS: Final = [bytes((octet,)) for octet in range(256)]

S64: Final = struct.Struct(">q")


def _encode_headers(value: Mapping[str, FieldValue] | bytes) -> bytes:
    return value if isinstance(value, bytes) else encode_table(value)


def _encode_octet(value: int) -> bytes:
    if not 0 <= value <= 255:
        raise FieldError(f"{value!r} is out of the range 0 to 255")
    return bytes((value,))


def _encode_text(value: str) -> bytes:
    text = encode_name(value)
    if len(text) > NAME_MAX:
        raise FieldError(f"longer than {NAME_MAX} octets: {value[:32]!r}...")
    return bytes((len(text),)) + text


def _encode_timestamp(value: int | datetime) -> bytes:
    if isinstance(value, datetime):
        value = int((value if value.tzinfo is not None else value.replace(tzinfo=UTC)).timestamp())
    try:
        return S64.pack(value)
    except struct.error:
        raise FieldError(f"{value!r} is no timestamp of 64 bits") from None


_ENCODERS: Final[dict[str, Callable[..., bytes]]] = {
    "headers": _encode_headers,
    "delivery_mode": _encode_octet,
    "priority": _encode_octet,
    "timestamp": _encode_timestamp,
}


def encode_property(name: str, value: object) -> bytes:
    """The bytes of a property in the list. Raises FieldError for a value that does not fit."""
    try:
        return _ENCODERS.get(name, _encode_text)(value)
    except (AttributeError, TypeError):
        raise FieldError(f"property {name} cannot hold a value of type {type(value).__name__}") from None
    except FieldError as error:
        raise FieldError(f"property {name}: {error}") from None
