"""Field tables and arrays of AMQP 0-9-1 as bytes (section 4.2.5.5), and the names that they and short strings share."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final, cast

from batonmq.fields import (
    MAX_DEPTH,
    NAME_MAX,
    FieldError,
    FieldValue,
    Float32,
    LongInteger,
    LongLong,
    LongString,
    Short,
    SignedByte,
    Timestamp,
    UnsignedByte,
    UnsignedInt,
    UnsignedShort,
)

__all__ = ["encode_name", "encode_table", "text_octets", "type_name"]

_S8 = struct.Struct(">b")
_S16 = struct.Struct(">h")
_U16 = struct.Struct(">H")
_S32 = struct.Struct(">i")
_U32 = struct.Struct(">I")
_S64 = struct.Struct(">q")
_F32 = struct.Struct(">f")
_F64 = struct.Struct(">d")
_DECIMAL = struct.Struct(">Bi")

_INT_MIN: Final = -(2**31)
_INT_MAX: Final = 2**31 - 1


def encode_table(table: Mapping[str, FieldValue]) -> bytes:
    """Encode a table, with its length (four octets) first.

    A plain int becomes type I, or l if it needs more than 32 bits. A datetime becomes T, and is taken as UTC if it has
    no time zone. Raises FieldError for a key above 255 octets, a number out of range, a value of another type, and more
    than MAX_DEPTH levels.
    """
    return _encode_table(table, 0)


def encode_name(value: str) -> bytes:
    """Encode a name as UTF-8. A name decoded from other bytes with surrogateescape becomes those bytes again.

    RabbitMQ takes names as plain bytes, so short strings that are not UTF-8 must come back unchanged. A name may also
    become the value of a header, as in x-death. Raises FieldError for text that is not Unicode.
    """
    try:
        return value.encode(errors="surrogateescape")
    except UnicodeEncodeError:
        raise FieldError(f"not Unicode text: {value[:64]!r}") from None


def text_octets(value: str) -> int:
    """How many octets of UTF-8 a text has; 0 also for what is not Unicode text, which a file of JSON could not hold."""
    try:
        return len(value.encode())
    except UnicodeEncodeError:
        return 0


def _encode_table(table: Mapping[str, FieldValue], depth: int) -> bytes:
    if depth >= MAX_DEPTH:
        raise FieldError(f"field tables are nested more than {MAX_DEPTH} levels deep")
    parts: list[bytes] = [b""]
    for key, value in table.items():
        try:
            name = key.encode()
        except UnicodeEncodeError:
            raise FieldError(f"the name of a field is not Unicode text: {key!r}") from None
        if len(name) > NAME_MAX:
            raise FieldError(f"the name of a field is longer than {NAME_MAX} octets: {key[:32]!r}...")
        parts += (bytes((len(name),)), name, _encode_value(value, depth))
    return _with_length(parts)


def _encode_array(array: Sequence[FieldValue], depth: int) -> bytes:
    if depth >= MAX_DEPTH:
        raise FieldError(f"field tables are nested more than {MAX_DEPTH} levels deep")
    parts = [b""]
    parts += [_encode_value(value, depth) for value in array]
    return _with_length(parts)


def _with_length(parts: list[bytes]) -> bytes:
    """Join the parts; the first is a gap for the length."""
    parts[0] = _U32.pack(sum(map(len, parts)))
    return b"".join(parts)


def _encode_value(value: FieldValue, depth: int) -> bytes:
    if value is None:
        return b"V"
    kind = type(value)
    if kind is int:
        assert isinstance(value, int)
        if _INT_MIN <= value <= _INT_MAX:
            return b"I" + _S32.pack(value)
        kind = LongLong
    if isinstance(value, dict):
        return b"F" + _encode_table(value, depth + 1)
    if issubclass(kind, list | tuple):
        # Not asked of the value: that would be a list then, by what a field can hold, and no tuple when it is compiled.
        return b"A" + _encode_array(cast("Sequence[FieldValue]", value), depth + 1)
    encode = _ENCODERS.get(kind) or _ENCODERS[_plain_type(value)]
    try:
        return encode(value)
    except struct.error:
        raise FieldError(f"{value!r} is out of the range of type {_TYPE_NAMES[_plain_type(value)]}") from None


def _plain_type(value: FieldValue) -> type:
    """The class of this module or of Python that a value is an instance of."""
    for kind in type(value).__mro__:
        if kind in _ENCODERS:
            if kind is int and not _INT_MIN <= value <= _INT_MAX:  # type: ignore[operator]
                return LongLong
            return kind
    raise FieldError(f"a field cannot hold a value of type {type(value).__name__}")


def _fixed(kind: bytes, writer: struct.Struct) -> Callable[..., bytes]:
    pack = writer.pack

    def encode(value: int | float) -> bytes:  # noqa: PYI041
        return kind + pack(value)

    return encode


def _encode_text(value: str) -> bytes:
    text = encode_name(value)
    return b"S" + _U32.pack(len(text)) + text


def _encode_float32(value: float) -> bytes:
    try:
        return b"f" + _F32.pack(value)
    except OverflowError:
        raise FieldError(f"{value!r} is out of the range of type float") from None


def _encode_bytes(value: bytes) -> bytes:
    return b"x" + _U32.pack(len(value)) + value


def _encode_long_string(value: bytes) -> bytes:
    return b"S" + _U32.pack(len(value)) + value


def _encode_decimal(value: Decimal) -> bytes:
    sign, digits, exponent = value.as_tuple()
    if not isinstance(exponent, int):
        raise FieldError(f"{value} is no number")
    if exponent > 9 or len(digits) > 10:
        raise FieldError(f"{value} is out of the range of type decimal")
    unscaled = int("".join(map(str, digits)) or "0") * 10 ** max(exponent, 0)
    return b"D" + _DECIMAL.pack(max(-exponent, 0), -unscaled if sign else unscaled)


def _encode_datetime(value: datetime) -> bytes:
    if value.tzinfo is None:
        value = value.replace(tzinfo=UTC)
    return b"T" + _S64.pack(int(value.timestamp()))


_ENCODERS: dict[type, Callable[..., bytes]] = {
    bool: lambda value: b"t\x01" if value else b"t\x00",
    int: _fixed(b"I", _S32),
    SignedByte: _fixed(b"b", _S8),
    UnsignedByte: _fixed(b"B", struct.Struct(">B")),
    Short: _fixed(b"s", _S16),
    UnsignedShort: _fixed(b"u", _U16),
    UnsignedInt: _fixed(b"i", _U32),
    LongLong: _fixed(b"l", _S64),
    LongInteger: _fixed(b"L", _S64),
    Timestamp: _fixed(b"T", _S64),
    Float32: _encode_float32,
    float: _fixed(b"d", _F64),
    str: _encode_text,
    bytes: _encode_bytes,
    LongString: _encode_long_string,
    Decimal: _encode_decimal,
    datetime: _encode_datetime,
    type(None): lambda _: b"V",
}

_TYPE_NAMES: dict[type, str] = {
    bool: "bool",
    int: "signedint",
    SignedByte: "byte",
    UnsignedByte: "unsignedbyte",
    Short: "short",
    UnsignedShort: "unsignedshort",
    UnsignedInt: "unsignedint",
    LongLong: "long",
    LongInteger: "long",
    Timestamp: "timestamp",
    Float32: "float",
    float: "double",
    str: "longstr",
    bytes: "binary",
    LongString: "longstr",
    Decimal: "decimal",
    datetime: "timestamp",
    type(None): "void",
}


def type_name(value: FieldValue) -> str:
    """RabbitMQ's name of the type that a value has in a table, for error texts. Raises FieldError for other values."""
    if isinstance(value, dict):
        return "table"
    if isinstance(value, list | tuple):
        return "array"
    return _TYPE_NAMES[_plain_type(value)]
