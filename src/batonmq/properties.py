"""The basic properties of a message: those of AMQP 0-9-1 section 4.2.6.1, used for every protocol.

Properties are kept as the bytes in which they came (flags and list). They go out and into the store unchanged, and an
absent property stays absent. One pass reads what the broker needs for every message; the rest is decoded on demand.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from datetime import datetime
from typing import Final, TypedDict, Unpack

from batonmq.field_decoding import decode_table
from batonmq.fields import NAME_MAX, FieldError, FieldValue
from batonmq.property_list import (
    APP_ID,
    CLUSTER_ID,
    CONTENT_ENCODING,
    CONTENT_TYPE,
    CORRELATION_ID,
    DELIVERY_MODE,
    EXPIRATION,
    FLAGS,
    HEADERS,
    MESSAGE_ID,
    NAMES,
    NOT_PLAIN,
    OCTETS,
    PERSISTENT,
    PRIORITY,
    REPLY_TO,
    S64,
    TEXTS,
    TIMESTAMP,
    TYPE,
    UNKNOWN,
    USER_ID,
    encode_property,
)

__all__ = ["AMQP10_TYPE", "EMPTY", "SUBJECT", "Properties", "PropertyValues"]

AMQP10_TYPE: Final = "amqp-1.0"
"""The type of a message of 0-9-1 whose body is that of a message of AMQP 1.0, section by section."""
SUBJECT: Final = "x-subject"
"""The header with what would be the type of a message, where the type has no room for it."""

_U16 = struct.Struct(">H")

# Most publishers send the same few properties with every message.
CACHED_BYTES: Final = 64
CACHED_ENTRIES: Final = 4096
_cache: dict[bytes, Properties] = {}


class PropertyValues(TypedDict, total=False):
    """The properties by name. None, or left out, means absent. Texts have at most 255 bytes each in UTF-8.

    Headers that are bytes are a table that was encoded before.
    """

    content_type: str | None
    content_encoding: str | None
    headers: Mapping[str, FieldValue] | bytes | None
    delivery_mode: int | None
    priority: int | None
    correlation_id: str | None
    reply_to: str | None
    expiration: str | None
    message_id: str | None
    timestamp: int | datetime | None
    type: str | None
    user_id: str | None
    app_id: str | None
    cluster_id: str | None


class Properties:
    """A message's properties. Immutable, and shared among messages.

    Strings that are not UTF-8 are decoded with surrogateescape, so that they compare and encode as the same bytes.
    """

    __slots__ = ("persistent", "plain", "priority", "raw")

    raw: bytes
    """Property flags and property list, as on the wire."""
    persistent: bool
    """Is the delivery mode 2?"""
    priority: int
    """0 to 255; 0 when absent."""
    plain: bool
    """True without headers, expiration, reply-to and user-id: all that may matter to the broker is a priority."""

    def __init__(self, raw: bytes, persistent: bool, priority: int, plain: bool) -> None:
        """All values are known already. Use ``decode`` to create an object from flags and list."""
        self.raw = raw
        self.persistent = persistent
        self.priority = priority
        self.plain = plain

    @staticmethod
    def decode(raw: bytes) -> Properties:
        """Make properties from their bytes on the wire, which are kept.

        Every property is checked to be in bounds. The table of headers is skipped by its length, whatever its size;
        ``validate`` checks its content. Raises FieldError for malformed bytes.
        """
        found = _cache.get(raw)
        if found is not None:
            return found
        properties = _read(raw)
        if len(raw) <= CACHED_BYTES:
            if len(_cache) >= CACHED_ENTRIES:
                _cache.clear()
            _cache[raw] = properties
        return properties

    @staticmethod
    def make(**values: Unpack[PropertyValues]) -> Properties:
        """Make properties from values. Raises FieldError for what cannot be encoded, TypeError for an unknown name."""
        return _assembled({}, values)

    def replace(self, **changes: Unpack[PropertyValues]) -> Properties:
        """Return these properties with some changed, or removed (None); the others keep their bytes.

        Raises FieldError for a value that cannot be encoded, TypeError for an unknown name.
        """
        return _assembled(self._segments(), changes)

    def correlated(self, correlation_id: bytes) -> Properties:
        """These properties, which have no correlation-id, with one of up to 255 octets; all else keeps its bytes.

        A fifth of what ``replace`` costs, for what differs in each message of a publisher.
        """
        raw = self.raw
        first = raw[0]
        at = 2
        if first & CONTENT_TYPE >> 8:
            at += 1 + raw[at]
        if first & CONTENT_ENCODING >> 8:
            at += 1 + raw[at]
        if first & HEADERS >> 8:
            at += 4 + int.from_bytes(raw[at : at + 4], "big")
        if first & DELIVERY_MODE >> 8:
            at += 1
        if first & PRIORITY >> 8:
            at += 1
        flags = OCTETS[first | CORRELATION_ID >> 8] + raw[1:at]
        made = b"%b%b%b%b" % (flags, OCTETS[len(correlation_id)], correlation_id, raw[at:])
        return Properties(made, self.persistent, self.priority, self.plain)

    def validate(self) -> None:
        """Check the headers; afterwards no property raises. Raises FieldError if they are malformed.

        Costs 0.6 us for each header (CPython 3.11, timeit over eight headers of a task queue), and nothing without any.
        """
        # Decoding raises the error; the value is not needed.
        _ = self.headers

    @property
    def flags(self) -> int:
        """The property flags: bit 15 is content-type, bit 2 cluster-id."""
        return self.raw[0] << 8 | self.raw[1]

    @property
    def has_priority(self) -> bool:
        """Is the priority present?"""
        return bool(self.raw[0] & PRIORITY >> 8)

    @property
    def headers(self) -> dict[str, FieldValue] | None:
        """The application's headers; None: absent. Each access decodes them again: keep the result.

        They are not cached, as they would take ten times their bytes in memory while the message waits. Raises
        FieldError if they are malformed, which cannot happen after ``validate``.
        """
        raw = self.raw
        if not raw[0] & HEADERS >> 8:
            return None
        at = 2
        if raw[0] & CONTENT_TYPE >> 8:
            at += 1 + raw[at]
        if raw[0] & CONTENT_ENCODING >> 8:
            at += 1 + raw[at]
        return decode_table(raw, at, len(raw))[0]

    def mentions(self, name: bytes) -> bool:
        """May there be a header of this name? False is certain; True makes it worth decoding the headers."""
        return bool(self.raw[0] & HEADERS >> 8) and name in self.raw

    def mentions_either(self, first: bytes, second: bytes) -> bool:
        """May there be a header of either name? Costs less than two calls of ``mentions``."""
        raw = self.raw
        return bool(raw[0] & HEADERS >> 8) and (first in raw or second in raw)

    @property
    def content_type(self) -> str | None:
        """The media type of the body."""
        return self._text(CONTENT_TYPE)

    @property
    def content_encoding(self) -> str | None:
        """The encoding of the body."""
        return self._text(CONTENT_ENCODING)

    @property
    def delivery_mode(self) -> int | None:
        """1 for transient, 2 for persistent."""
        if not self.raw[0] & DELIVERY_MODE >> 8:
            return None
        return self._segments()[DELIVERY_MODE][0]

    @property
    def correlation_id(self) -> str | None:
        """Ties a reply to its request."""
        return self._text(CORRELATION_ID)

    @property
    def reply_to(self) -> str | None:
        """The address for the reply."""
        return self._text(REPLY_TO)

    @property
    def expiration(self) -> str | None:
        """The time to live: a decimal number of milliseconds, as text."""
        return self._text(EXPIRATION)

    @property
    def message_id(self) -> str | None:
        """The application's identifier."""
        return self._text(MESSAGE_ID)

    @property
    def timestamp(self) -> int | None:
        """The application's timestamp, in seconds since the epoch."""
        if not self.raw[1] & TIMESTAMP:
            return None
        value: int = S64.unpack(self._segments()[TIMESTAMP])[0]
        return value

    @property
    def type(self) -> str | None:
        """The application's name for the kind of message."""
        return self._text(TYPE)

    @property
    def user_id(self) -> str | None:
        """The user who publishes."""
        return self._text(USER_ID)

    @property
    def app_id(self) -> str | None:
        """The application that publishes."""
        return self._text(APP_ID)

    @property
    def cluster_id(self) -> str | None:
        """Reserved by the specification; carried along."""
        return self._text(CLUSTER_ID)

    def _text(self, flag: int) -> str | None:
        if not (self.raw[0] << 8 | self.raw[1]) & flag:
            return None
        return self._segments()[flag][1:].decode(errors="surrogateescape")

    def _segments(self) -> dict[int, bytes]:
        """The bytes of each present property, by its flag. self.raw was checked when it was created."""
        raw = self.raw
        flags = raw[0] << 8 | raw[1]
        segments: dict[int, bytes] = {}
        at = 2
        for _, flag in NAMES:
            if not flags & flag:
                continue
            if flag == HEADERS:
                end = at + 4 + int.from_bytes(raw[at : at + 4], "big")
            elif flag == TIMESTAMP:
                end = at + 8
            elif flag in (DELIVERY_MODE, PRIORITY):
                end = at + 1
            else:
                end = at + 1 + raw[at]
            segments[flag] = raw[at:end]
            at = end
        return segments

    def __eq__(self, other: object) -> bool:
        return self.raw == other.raw if isinstance(other, Properties) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.raw)

    def __repr__(self) -> str:
        try:
            values = [(name, getattr(self, name)) for name, flag in NAMES if self.flags & flag]
        except FieldError as error:
            return f"<Properties malformed: {error}>"
        return f"Properties.make({', '.join(f'{name}={value!r}' for name, value in values)})"


def _assembled(segments: dict[int, bytes], changes: PropertyValues) -> Properties:
    """Properties from the bytes of each, with some changed."""
    for name, value in changes.items():
        flag = FLAGS.get(name)
        if flag is None:
            raise TypeError(f"there is no property {name!r}")
        if value is None:
            segments.pop(flag, None)
        elif type(value) is str and flag & TEXTS and len(value) <= NAME_MAX and value.isascii():
            # Most are short ASCII: this costs a third of ``encode_property``.
            segments[flag] = OCTETS[len(value)] + value.encode()
        else:
            segments[flag] = encode_property(name, value)
    order = sorted(segments, reverse=True)
    return Properties.decode(_U16.pack(sum(order)) + b"".join([segments[flag] for flag in order]))


def _read(raw: bytes) -> Properties:
    """Read flags and list in one pass. Raises FieldError."""
    try:
        flags = raw[0] << 8 | raw[1]
        at = 2
        if flags & CONTENT_TYPE:
            at += 1 + raw[at]
        if flags & CONTENT_ENCODING:
            at += 1 + raw[at]
        if flags & HEADERS:
            at += 4 + int.from_bytes(raw[at : at + 4], "big")
        persistent = False
        if flags & DELIVERY_MODE:
            persistent = raw[at] == PERSISTENT
            at += 1
        priority = 0
        if flags & PRIORITY:
            priority = raw[at]
            at += 1
        if flags & 0x0FFF:
            at = _skip_rest(raw, flags, at)
    except IndexError:
        raise FieldError("the content header is truncated") from None
    if at != len(raw):
        raise FieldError("the content header's properties and its length disagree")
    return Properties(raw, persistent, priority, not flags & NOT_PLAIN)


def _skip_rest(raw: bytes, flags: int, at: int) -> int:
    """Go past the properties after priority. Raises IndexError where they end too early."""
    if flags & CORRELATION_ID:
        at += 1 + raw[at]
    if flags & REPLY_TO:
        at += 1 + raw[at]
    if flags & EXPIRATION:
        at += 1 + raw[at]
    if flags & MESSAGE_ID:
        at += 1 + raw[at]
    if flags & TIMESTAMP:
        at += 8
    if flags & TYPE:
        at += 1 + raw[at]
    if flags & USER_ID:
        at += 1 + raw[at]
    if flags & APP_ID:
        at += 1 + raw[at]
    if flags & CLUSTER_ID:
        at += 1 + raw[at]
    if flags & UNKNOWN:
        raise FieldError("the content header has flags that name no property")
    return at


EMPTY: Final = Properties.decode(b"\x00\x00")
"""No properties."""
