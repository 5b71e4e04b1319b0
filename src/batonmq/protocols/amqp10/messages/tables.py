"""Message-annotations and application-properties as headers of AMQP 0-9-1.

Application properties are headers of their names, and so are annotations whose names begin with ``x-``; those of
RabbitMQ that stand for something else become that:

x-cc .................................. the header CC
x-opt-deaths .......................... the header x-death
x-opt-rabbitmq-received-time .......... the header timestamp_in_ms
x-basic-type, -app-id and so on ....... properties of 0-9-1 that a message of 1.0 does not have
x-header-NAME ......................... headers that are no application property in 1.0: tables and arrays
x-exchange, x-routing-key, x-death .... nothing: only the broker sets them

Requests to the broker also become headers that it knows:

x-opt-delivery-time, -delay ........... x-deliver-at, x-delay
_AMQ_DUPL_ID (application property) ... x-deduplication-header
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from batonmq.broker.features.publish_headers import DEDUPLICATION, DELAY, DELIVER_AT
from batonmq.field_encoding import encode_table
from batonmq.fields import NAME_MAX, FieldError, LongLong
from batonmq.protocols.amqp10.codec.values import DecodeError, Timestamp, decode
from batonmq.protocols.amqp10.messages.deaths import DEATH_HEADER, DEATHS, death_header_of
from batonmq.protocols.amqp10.messages.field_values import to_field

if TYPE_CHECKING:
    from collections.abc import Mapping

    from batonmq.fields import FieldValue

__all__ = [
    "BASIC",
    "DUPLICATE",
    "GROUP",
    "GROUP_SEQUENCE",
    "HEADER",
    "HEADERS_MAX",
    "IN_MILLISECONDS",
    "MILLISECONDS",
    "NO_TABLE",
    "REPLY_TO_GROUP",
    "Table",
    "read_table",
]

HEADERS_MAX: Final = 64 << 10
"""Octets of the headers that other protocols see: a consumer of 0-9-1 needs them in one frame."""
MORE_MAX: Final = 4 << 10
"""Octets of one header for a property, of which there are up to ten."""
BASIC: Final = "x-basic-"
HEADER: Final = "x-header-"
RECEIVED: Final = "x-opt-rabbitmq-received-time"
IN_MILLISECONDS: Final = "timestamp_in_ms"
# Annotations with requests to the broker, and its headers for them: a time and a duration, both in milliseconds.
WISHES: Final = {"x-opt-delivery-time": DELIVER_AT, "x-opt-delivery-delay": DELAY}
MILLISECONDS: Final = encode_table({IN_MILLISECONDS: LongLong(0)})[4:-8]
"""The beginning of that header's entry in a table; the eight octets of the time follow."""
# Artemis' header for deduplication.
DUPLICATE: Final = "_AMQ_DUPL_ID"
CARBON_COPIES: Final = "CC"
# Headers for properties of AMQP 1.0 that 0-9-1 does not have.
GROUP: Final = "JMSXGroupID"
GROUP_SEQUENCE: Final = "JMSXGroupSeq"
REPLY_TO_GROUP: Final = "x-reply-to-group-id"
ANNOTATED_COPIES: Final = "x-cc"
OF_BROKER: Final = frozenset({"x-exchange", "x-routing-key", DEATH_HEADER})

# Most publishers send the same few with every message.
_CACHED_BYTES: Final = 512
_CACHED_ENTRIES: Final = 1024


class Table:
    """The headers from two sections, and the properties that are in their annotations."""

    __slots__ = ("basics", "entries", "headers")

    def __init__(self, headers: dict[str, FieldValue], basics: dict[str, object]) -> None:
        """Raises FieldError for values that no header can hold."""
        entries = encode_table(headers)[4:] if headers else b""
        if len(entries) > HEADERS_MAX:
            entries = _without_largest(headers)
        self.headers = headers
        self.entries = entries
        """The headers as entries of a table of 0-9-1, without its length."""
        self.basics = basics
        """Properties by their names in 0-9-1, with dashes."""

    def with_more(self, more: Mapping[str, FieldValue]) -> bytes:
        """A table of 0-9-1 with these headers, and others that do not have their names; b"": it is empty."""
        entries = self.entries
        if more:
            for name, value in more.items():
                if name == IN_MILLISECONDS and name not in self.headers and type(value) is LongLong:
                    # Every message of JMS has a different one.
                    entries += MILLISECONDS + value.to_bytes(8, "big", signed=True)
                elif name not in self.headers:
                    added = encode_table({name: value})[4:]
                    if len(added) <= MORE_MAX:
                        entries += added
        return len(entries).to_bytes(4, "big") + entries if entries else b""


def _without_largest(headers: dict[str, FieldValue]) -> bytes:
    """The entries that fit a table; the largest ones are left out."""
    entries = {name: encode_table({name: value})[4:] for name, value in headers.items()}
    size = sum(map(len, entries.values()))
    for name in sorted(entries, key=lambda name: -len(entries[name])):
        if size <= HEADERS_MAX:
            break
        size -= len(entries.pop(name))
        del headers[name]
    return b"".join(entries.values())


NO_TABLE: Final = Table({}, {})
_cache: dict[tuple[bytes, bytes], Table] = {}


def read_table(annotations: bytes, properties: bytes) -> Table:
    """The headers of two sections, both without descriptor; b"": there is none. Raises DecodeError."""
    if not annotations and not properties:
        return NO_TABLE
    key = (annotations, properties)
    found = _cache.get(key)
    if found is not None:
        return found
    headers: dict[str, FieldValue] = {}
    basics: dict[str, object] = {}
    try:
        if properties:
            _read_properties(_map(properties), headers)
        if annotations:
            _read_annotations(_map(annotations), headers, basics)
        table = Table(headers, basics)
    except DecodeError:
        raise
    except FieldError as error:
        # It is nested deeper than headers may be.
        raise DecodeError(str(error)) from None
    if len(annotations) + len(properties) <= _CACHED_BYTES:
        if len(_cache) >= _CACHED_ENTRIES:
            _cache.clear()
        _cache[key] = table
    return table


def _map(section: bytes) -> dict[object, object]:
    value, _ = decode(section)
    if not isinstance(value, dict):
        raise DecodeError("a section that is a map is none")
    return value


def _read_properties(found: dict[object, object], headers: dict[str, FieldValue]) -> None:
    for name, value in found.items():
        if not isinstance(name, str):
            raise DecodeError("the name of an application property is no string")
        if _is_name(name):
            headers[str(name)] = to_field(value)
    duplicate = headers.get(DUPLICATE)
    if isinstance(duplicate, str | bytes | int) and not isinstance(duplicate, bool):
        headers.setdefault(DEDUPLICATION, duplicate)


def _read_annotations(found: dict[object, object], headers: dict[str, FieldValue], basics: dict[str, object]) -> None:
    for symbol, value in found.items():
        # Numbers are reserved (part 3 §3.2.10).
        if not isinstance(symbol, str) or not _is_name(symbol) or symbol in OF_BROKER:
            continue
        name = str(symbol)
        if name.startswith(BASIC):
            basics[name.removeprefix(BASIC)] = value
        elif name.startswith(HEADER):
            headers[name.removeprefix(HEADER)] = to_field(value)
        elif name == ANNOTATED_COPIES:
            headers[CARBON_COPIES] = to_field(value)
        elif name == RECEIVED and isinstance(value, Timestamp):
            headers[IN_MILLISECONDS] = LongLong(value)
        elif name == DEATHS and (record := death_header_of(value)) is not None:
            headers[DEATH_HEADER] = record
        elif name.startswith("x-") or name not in headers:
            headers[name] = to_field(value)
            wish = WISHES.get(name)
            if wish is not None and isinstance(value, int) and not isinstance(value, bool):
                headers[wish] = LongLong(min(value, 2**63 - 1))


def _is_name(name: str) -> bool:
    return len(name) <= NAME_MAX and (name.isascii() or len(name.encode()) <= NAME_MAX)
