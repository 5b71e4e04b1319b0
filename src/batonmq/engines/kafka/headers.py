"""Converts a message to a Kafka record, and back, in a form that other clients can read and write.

The body is the value of the record. A header of the message is a header of the record under its own name: text as
UTF-8, bytes as they are, None as null, numbers and booleans as in JSON, lists and mappings as JSON where that loses
nothing, and otherwise as an AMQP 0-9-1 table. ``batonmq.types`` is a JSON object with the types of all that are not
text. The properties are text in headers of their own: ``batonmq.message-id``, ``batonmq.content-type``,
``batonmq.correlation-id``, ``batonmq.reply-to``, ``batonmq.type``, ``batonmq.timestamp`` and so on. An application's
header whose name begins with ``batonmq.`` gets the prefix ``batonmq.header.``.

Headers of other clients are text if they are UTF-8, and bytes otherwise; several of one name are a list. Their header
``content-type`` is the content type, too. The key of their record is the header ``kafka.key``, in bytes.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from typing import Final, TypeAlias

from batonmq.engines.kafka.deaths import deaths_of
from batonmq.field_decoding import decode_table
from batonmq.field_encoding import encode_table
from batonmq.fields import FieldError, FieldValue, LongLong
from batonmq.json_text import JsonError, read_json
from batonmq.properties import Properties, PropertyValues

__all__ = ["Headers", "from_headers", "to_headers"]

# As confluent-kafka has them, which would take text, too.
Headers: TypeAlias = list[tuple[str, str | bytes | None]]

PREFIX: Final = "batonmq."
OWN: Final = f"{PREFIX}header."
TYPES: Final = f"{PREFIX}types"
KEY: Final = "kafka.key"
TEXTS: Final = (
    "content_type",
    "content_encoding",
    "correlation_id",
    "reply_to",
    "expiration",
    "message_id",
    "type",
    "user_id",
    "app_id",
    "cluster_id",
)
NAMES: Final = {name: PREFIX + name.replace("_", "-") for name in (*TEXTS, "delivery_mode", "priority", "timestamp")}
PROPERTIES: Final = {header: name for name, header in NAMES.items()}
PERSISTENT: Final = 2
PLAIN: Final = Properties.make(delivery_mode=PERSISTENT)


# ---------------------------------------------------------------------- to Kafka


def to_headers(properties: Properties) -> Headers:
    """The headers of the record. Raises ValueError for what cannot be encoded."""
    if properties is PLAIN or properties.raw == PLAIN.raw:
        return []
    found: Headers = []
    for name in TEXTS:
        if (text := getattr(properties, name)) is not None:
            found.append((NAMES[name], _octets(text)))
    if properties.delivery_mode != PERSISTENT:
        found.append((NAMES["delivery_mode"], b"%d" % (properties.delivery_mode or 0)))
    if properties.has_priority:
        found.append((NAMES["priority"], b"%d" % properties.priority))
    if properties.timestamp is not None:
        found.append((NAMES["timestamp"], b"%d" % properties.timestamp))
    types: dict[str, str] = {}
    for name, value in (properties.headers or {}).items():
        header = OWN + name if name.startswith(PREFIX) else name
        kind, octets = _written(value)
        if kind:
            types[header] = kind
        found.append((header, octets))
    if types:
        found.append((TYPES, json.dumps(types, separators=(",", ":")).encode()))
    return found


def _written(value: FieldValue) -> tuple[str, bytes | None]:
    """Its type, '' for text; and its octets."""
    kind = _kind(value)
    if kind is str:
        return "", _octets(value)  # type: ignore[arg-type]
    if value is None:
        return "null", None
    if kind is bytes:
        return "bytes", value  # type: ignore[return-value]
    if kind is bool or kind is int or (kind is float and math.isfinite(value)):  # type: ignore[arg-type]
        return kind.__name__, json.dumps(value).encode()
    if _is_plain(value):
        return "json", json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    try:
        return "amqp", encode_table({"": value})
    except FieldError as error:
        raise ValueError(str(error)) from None


def _is_plain(value: object) -> bool:
    """Does JSON keep it as it is?"""
    kind = _kind(value)
    if kind is list:
        return all(map(_is_plain, value))  # type: ignore[call-overload]
    if kind is dict:
        return all(_is_plain(name) and _is_plain(one) for name, one in value.items())  # type: ignore[attr-defined]
    if kind is float:
        return math.isfinite(value)  # type: ignore[arg-type]
    if kind is str:
        return _is_unicode(str(value))
    return value is None or kind is bool or kind is int


def _kind(value: object) -> type:
    """Its type; a number that is long because it fits no other is a number."""
    kind = type(value)
    return int if kind is LongLong and not -(2**31) <= value < 2**31 else kind  # type: ignore[operator]


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _octets(text: str) -> bytes:
    return text.encode(errors="surrogateescape")


# ---------------------------------------------------------------------- from Kafka


def from_headers(headers: Iterable[tuple[str, bytes | None]] | None, key: bytes | str | None = None) -> Properties:
    """The properties from a record's headers and key."""
    if not headers and key is None:
        return PLAIN
    values: PropertyValues = {"delivery_mode": PERSISTENT}
    raw: dict[str, list[bytes | None]] = {}
    for name, octets in headers or ():
        raw.setdefault(name, []).append(octets)
    types = _types(raw.pop(TYPES, []))
    table: dict[str, FieldValue] = {}
    for name, found in raw.items():
        if name in PROPERTIES and _take_property(values, PROPERTIES[name], found[-1]):
            continue
        shown = name.removeprefix(OWN) if name.startswith(OWN) else name
        read = [_read(octets, types.get(name)) for octets in found]
        table[shown] = read[0] if len(read) == 1 else read
    if "content_type" not in values and isinstance(said := table.get("content-type"), str):
        _take_property(values, "content_type", said.encode())
    if key is not None:
        table[KEY] = key.encode() if isinstance(key, str) else bytes(key)
    table.update(deaths_of(table))
    return _made(values, table)


def _made(values: PropertyValues, table: dict[str, FieldValue]) -> Properties:
    if not table:
        return Properties.make(**values)
    try:
        return Properties.make(**values).replace(headers=table)
    except FieldError:
        # Names that are longer than those of AMQP, or are no Unicode; others can be had.
        fitting: dict[str, FieldValue] = {}
        for name, value in table.items():
            try:
                encode_table({name: value})
            except FieldError:
                continue
            fitting[name] = value
        return Properties.make(**values).replace(headers=fitting or None)


def _types(found: list[bytes | None]) -> dict[str, str]:
    if not found or found[-1] is None:
        return {}
    try:
        types = read_json(found[-1])
    except JsonError:
        return {}
    return types if isinstance(types, dict) else {}


def _take_property(values: PropertyValues, name: str, octets: bytes | None) -> bool:
    """Set a property; False: its value is invalid, and it is an ordinary header."""
    if octets is None:
        return False
    text = octets.decode(errors="surrogateescape")
    try:
        if name in TEXTS:
            values.update({name: text})  # type: ignore[misc]
        elif name == "delivery_mode":
            values["delivery_mode"] = int(text) or None
        elif name == "priority":
            values["priority"] = int(text)
        else:
            values["timestamp"] = int(text)
        Properties.make(**values)
    except (ValueError, TypeError):
        values.pop(name, None)  # type: ignore[misc]
        if name == "delivery_mode":
            values["delivery_mode"] = PERSISTENT
        return False
    return True


def _read(octets: bytes | None, kind: object) -> FieldValue:
    """The value of a header. One that does not fit its type is read as if it had no type."""
    if octets is None:
        return None
    try:
        if kind == "bytes":
            return octets
        if kind == "amqp":
            return decode_table(octets, 0, len(octets))[0][""]
        if kind in ("int", "float", "bool", "json"):
            value: FieldValue = read_json(octets)
            encode_table({"": value})
            return float(value) if kind == "float" and type(value) is int else value
        return octets.decode()
    except UnicodeDecodeError:
        return octets
    except (FieldError, ValueError, KeyError):
        return octets.decode(errors="surrogateescape") if _is_text(octets) else octets


def _is_text(octets: bytes) -> bool:
    try:
        octets.decode()
    except UnicodeDecodeError:
        return False
    return True
