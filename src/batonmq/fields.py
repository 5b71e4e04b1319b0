"""Field tables and arrays of AMQP 0-9-1, section 4.2.5.5, with the type octets that brokers and clients really use.

The specification and its first implementations disagree; RabbitMQ's errata list what is on the wire. A value keeps
its type on the wire through decode and encode: where Python's own type does not tell it, a subclass does, which
compares and hashes as the plain value.

====  ========================  ==================  ====================
type  on the wire               decoded to          RabbitMQ's name
====  ========================  ==================  ====================
t     boolean                   bool                bool
b     signed 8 bits             SignedByte          byte
B     unsigned 8 bits           UnsignedByte        unsignedbyte
s     signed 16 bits            Short               short
u     unsigned 16 bits          UnsignedShort       unsignedshort
I     signed 32 bits            int                 signedint
i     unsigned 32 bits          UnsignedInt         unsignedint
l     signed 64 bits            LongLong            long
L     signed 64 bits            LongInteger         long
f     32 bits IEEE 754          Float32             float
d     64 bits IEEE 754          float               double
D     scale, signed 32 bits     decimal.Decimal     decimal
S     UTF-8 text                str                 longstr
S     other bytes               LongString          longstr
x     bytes                     bytes               binary
A     array                     list                array
T     seconds of the epoch      Timestamp           timestamp
F     table                     dict                table
V     nothing                   None                void
====  ========================  ==================  ====================
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import TypeAlias, Union

__all__ = [
    "MAX_DEPTH",
    "NAME_MAX",
    "FieldError",
    "FieldValue",
    "Float32",
    "LongInteger",
    "LongLong",
    "LongString",
    "Short",
    "SignedByte",
    "Timestamp",
    "UnsignedByte",
    "UnsignedInt",
    "UnsignedShort",
    "decode_table",
    "encode_name",
    "encode_table",
    "text_octets",
    "type_name",
]

NAME_MAX = 255
"""The most octets of a short string, the type of names and keys (AMQP 0-9-1 section 4.2.5.3)."""

MAX_DEPTH = 64
"""How deep tables and arrays may be nested."""


class FieldError(ValueError):
    """A field table, a property or a field is malformed, or cannot hold a value."""


class SignedByte(int):
    """Type b: -128 to 127."""

    __slots__ = ()


class UnsignedByte(int):
    """Type B: 0 to 255."""

    __slots__ = ()


class Short(int):
    """Type s: a signed integer of 16 bits."""

    __slots__ = ()


class UnsignedShort(int):
    """Type u: an unsigned integer of 16 bits."""

    __slots__ = ()


class UnsignedInt(int):
    """Type i: an unsigned integer of 32 bits."""

    __slots__ = ()


class LongLong(int):
    """Type l: a signed integer of 64 bits."""

    __slots__ = ()


class LongInteger(int):
    """Type L: a signed integer of 64 bits, as the grammar of the specification has it; few peers write it."""

    __slots__ = ()


class Timestamp(int):
    """Type T: seconds since the epoch."""

    __slots__ = ()


class Float32(float):
    """Type f: a float of 32 bits."""

    __slots__ = ()


class LongString(bytes):
    """Type S whose bytes are not UTF-8."""

    __slots__ = ()


# A union of strings is not a type before it is evaluated, and this one names itself.
FieldValue: TypeAlias = Union[  # noqa: UP007
    bool, int, float, str, bytes, Decimal, datetime, list["FieldValue"], dict[str, "FieldValue"], None
]

_S8 = struct.Struct(">b")
_S16 = struct.Struct(">h")
_U16 = struct.Struct(">H")
_S32 = struct.Struct(">i")
_U32 = struct.Struct(">I")
_S64 = struct.Struct(">q")
_F32 = struct.Struct(">f")
_F64 = struct.Struct(">d")
_DECIMAL = struct.Struct(">Bi")
_u32 = _U32.unpack_from
_s32 = _S32.unpack_from

_INT_MIN, _INT_MAX = -(2**31), 2**31 - 1
_NOTHINGS = re.compile(rb"V+")

# Fixed-size types that are read by one structure: the reader, the octets, and the class that keeps the type.
_FIXED: dict[int, tuple[struct.Struct, type[int | float]]] = {
    ord("b"): (_S8, SignedByte),
    ord("s"): (_S16, Short),
    ord("u"): (_U16, UnsignedShort),
    ord("i"): (_U32, UnsignedInt),
    ord("l"): (_S64, LongLong),
    ord("L"): (_S64, LongInteger),
    ord("T"): (_S64, Timestamp),
    ord("f"): (_F32, Float32),
    ord("d"): (_F64, float),
}


def decode_table(data: bytes, offset: int, end: int) -> tuple[dict[str, FieldValue], int]:
    """Decode the table whose length (four octets) is at ``offset``; the table must end at or before ``end``.

    Returns the table and the offset after it. If a key occurs twice, the last value wins. Raises FieldError for a
    malformed table.
    """
    try:
        return _table(data, offset, end, 0)
    except (struct.error, IndexError):
        raise FieldError("a field table is truncated") from None


def _extent(data: bytes, offset: int, end: int, depth: int) -> int:
    """Where the table or array at ``offset`` ends."""
    if depth >= MAX_DEPTH:
        raise FieldError(f"field tables are nested more than {MAX_DEPTH} levels deep")
    (size,) = _u32(data, offset)
    stop: int = offset + 4 + size
    if stop > end:
        raise FieldError("a field table is longer than what holds it")
    return stop


def _table(data: bytes, offset: int, end: int, depth: int) -> tuple[dict[str, FieldValue], int]:
    stop = _extent(data, offset, end, depth)
    offset += 4
    table: dict[str, FieldValue] = {}
    while offset < stop:
        start = offset + 1
        offset = start + data[offset]
        try:
            key = data[start:offset].decode()
        except UnicodeDecodeError:
            raise FieldError("the name of a field is not UTF-8") from None
        table[key], offset = _value(data, offset, stop, depth)
    if offset != stop:
        raise FieldError("a field is longer than the table that holds it")
    return table, stop


def _array(data: bytes, offset: int, end: int, depth: int) -> tuple[list[FieldValue], int]:
    stop = _extent(data, offset, end, depth)
    offset += 4
    array: list[FieldValue] = []
    while offset < stop:
        # What takes least room on the wire is what there can be most of.
        if nothing := _NOTHINGS.match(data, offset, stop):
            array += [None] * (nothing.end() - offset)
            offset = nothing.end()
            continue
        value, offset = _value(data, offset, stop, depth)
        array.append(value)
    if offset != stop:
        raise FieldError("a value is longer than the array that holds it")
    return array, stop


def _value(data: bytes, offset: int, end: int, depth: int) -> tuple[FieldValue, int]:
    """The value whose type octet stands at ``offset``, and the offset behind it, which the caller checks."""
    kind = data[offset]
    offset += 1
    if kind == 0x53:  # S
        start = offset + 4
        stop: int = start + _u32(data, offset)[0]
        if stop > end:
            raise FieldError("a string is longer than the table that holds it")
        text = data[start:stop]
        try:
            return text.decode(), stop
        except UnicodeDecodeError:
            return LongString(text), stop
    if kind == 0x49:  # I
        return _s32(data, offset)[0], offset + 4
    if kind == 0x74:  # t
        return data[offset] != 0, offset + 1
    fixed = _FIXED.get(kind)
    if fixed is not None:
        reader, make = fixed
        return make(reader.unpack_from(data, offset)[0]), offset + reader.size
    if kind == 0x46:  # F
        return _table(data, offset, end, depth + 1)
    if kind == 0x41:  # A
        return _array(data, offset, end, depth + 1)
    if kind == 0x56:  # V
        return None, offset
    if kind == 0x42:  # B
        return UnsignedByte(data[offset]), offset + 1
    if kind == 0x78:  # x
        start = offset + 4
        stop = start + _u32(data, offset)[0]
        if stop > end:
            raise FieldError("a string is longer than the table that holds it")
        return data[start:stop], stop
    if kind == 0x44:  # D
        scale, unscaled = _DECIMAL.unpack_from(data, offset)
        digits = tuple(map(int, str(abs(unscaled))))
        return Decimal((int(unscaled < 0), digits, -scale)), offset + 5
    raise FieldError(f"a field has the unknown type {bytes((kind,))!r}")


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
    """How many octets of UTF-8 a text has; 0 also for what is no Unicode text, which a file of JSON could not hold."""
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


def _encode_array(array: list[FieldValue], depth: int) -> bytes:
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
    if isinstance(value, list | tuple):
        return b"A" + _encode_array(value, depth + 1)
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
