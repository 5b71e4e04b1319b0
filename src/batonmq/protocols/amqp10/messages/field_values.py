"""Values of AMQP 1.0 as fields of AMQP 0-9-1, and back, keeping types that both have.

======================  ===========================================  =======================================
AMQP 1.0                becomes in 0-9-1                             which becomes again
======================  ===========================================  =======================================
null, boolean           void, bool                                   the same
ubyte, ushort, uint     unsignedbyte, unsignedshort, unsignedint     the same
byte, short, int, long  byte, short, signedint, long                 the same
ulong                   long; above its range text                   long; string
float, double           float, double                                the same
decimal32, 64, 128      decimal, where it fits; else text            decimal64; string
char, string, symbol    longstr                                      string
uuid                    longstr: urn:uuid: and its digits            string
timestamp               timestamp, in seconds                        timestamp
binary                  binary                                       binary
list, array             array                                        list
map                     table; an array of pairs if a key is no      map with symbols as keys; list
                        name
described               the value without its descriptor
======================  ===========================================  =======================================

A longstr that is not UTF-8 becomes binary. This is as in RabbitMQ 4, which does not define ulongs above the range of
long, decimals, chars, uuids and described values.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final

from batonmq import fields
from batonmq.field_encoding import encode_table
from batonmq.fields import NAME_MAX, FieldValue
from batonmq.protocols.amqp10.codec import values
from batonmq.protocols.amqp10.codec.kinds import FrozenMap
from batonmq.protocols.amqp10.messages.decimals import decimal64_of, decimal_of

_LONG_MAX: Final = 2**63 - 1


def to_field(value: object) -> FieldValue:
    """A decoded value of AMQP 1.0 as a field."""
    make = _TO_FIELD.get(type(value))
    if make is None:
        raise values.DecodeError(f"a value of type {type(value).__name__} is none of AMQP 1.0")
    return make(value)


def from_field(value: FieldValue) -> object:
    """A field as a value of AMQP 1.0."""
    make = _FROM_FIELD.get(type(value))
    if make is not None:
        return make(value)
    for kind in type(value).__mro__:
        if kind in _FROM_FIELD:
            return _FROM_FIELD[kind](value)
    raise TypeError(f"a value of type {type(value).__name__} is no field")


def text_or_octets(text: str) -> str | bytes:
    """A text as a string, or as a binary if it is not Unicode, which 0-9-1 does not require."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode(errors="surrogateescape")
    return text


# ---------------------------------------------------------------------- to fields


def _same(value: object) -> FieldValue:
    assert value is None or isinstance(value, bool | int | float | str | bytes)
    return value


def _ulong(value: int) -> FieldValue:
    return fields.LongLong(value) if value <= _LONG_MAX else str(int(value))


def _to_decimal(value: bytes) -> FieldValue:
    number = decimal_of(value)
    try:
        encode_table({"": number})
    except fields.FieldError:
        return str(number)
    return number


def _to_array(value: Iterable[object]) -> FieldValue:
    return [to_field(each) for each in value]


def _to_table(value: dict[object, object] | FrozenMap) -> FieldValue:
    pairs = list(value.items()) if isinstance(value, dict) else list(value)
    table: dict[str, FieldValue] = {}
    for key, each in pairs:
        if not isinstance(key, str) or len(key.encode()) > NAME_MAX:
            return [[to_field(key), to_field(each)] for key, each in pairs]
        table[str(key)] = to_field(each)
    return table


_TO_FIELD: Final[dict[type, Callable[..., FieldValue]]] = {
    type(None): _same,
    bool: _same,
    values.UByte: fields.UnsignedByte,
    values.UShort: fields.UnsignedShort,
    values.UInt: fields.UnsignedInt,
    values.ULong: _ulong,
    values.Byte: fields.SignedByte,
    values.Short: fields.Short,
    values.Int: int,
    values.Long: fields.LongLong,
    int: fields.LongLong,
    values.Float: fields.Float32,
    float: _same,
    values.Decimal32: _to_decimal,
    values.Decimal64: _to_decimal,
    values.Decimal128: _to_decimal,
    values.Char: str,
    values.Symbol: str,
    str: _same,
    uuid.UUID: lambda value: f"urn:uuid:{value}",
    values.Timestamp: lambda value: fields.Timestamp(value // 1000),
    bytes: _same,
    list: _to_array,
    tuple: _to_array,
    values.Array: _to_array,
    dict: _to_table,
    FrozenMap: _to_table,
    values.Described: lambda value: to_field(value.value),
}

# ---------------------------------------------------------------------- from fields


def _from_int(value: int) -> object:
    if -(2**31) <= value < 2**31:
        return values.Int(value)
    return values.Long(value)


def _from_decimal(value: Decimal) -> object:
    return decimal64_of(value) or str(value)


def _from_datetime(value: datetime) -> object:
    aware = value if value.tzinfo is not None else value.replace(tzinfo=UTC)
    return values.Timestamp(int(aware.timestamp() * 1000))


def _key(name: str) -> object:
    """The key of a map: a symbol, or a string or binary if the name is not ASCII."""
    return values.Symbol(name) if name.isascii() else text_or_octets(name)


_FROM_FIELD: Final[dict[type, Callable[..., object]]] = {
    type(None): lambda value: value,
    bool: lambda value: value,
    int: _from_int,
    fields.SignedByte: values.Byte,
    fields.UnsignedByte: values.UByte,
    fields.Short: values.Short,
    fields.UnsignedShort: values.UShort,
    fields.UnsignedInt: values.UInt,
    fields.LongLong: values.Long,
    fields.LongInteger: values.Long,
    fields.Timestamp: lambda value: values.Timestamp(_in_range(value * 1000)),
    fields.Float32: values.Float,
    float: lambda value: value,
    Decimal: _from_decimal,
    str: text_or_octets,
    bytes: lambda value: value,
    fields.LongString: bytes,
    datetime: _from_datetime,
    list: lambda value: [from_field(each) for each in value],
    tuple: lambda value: [from_field(each) for each in value],
    dict: lambda value: {_key(name): from_field(each) for name, each in value.items()},
}


def _in_range(milliseconds: int) -> int:
    """Limit milliseconds to 64 bits, which seconds of 64 bits may exceed."""
    return max(-(2**63), min(milliseconds, _LONG_MAX))
