"""Field tables and arrays of AMQP 0-9-1 out of bytes (section 4.2.5.5)."""

from __future__ import annotations

import re
import struct
from decimal import Decimal

from batonmq.fields import (
    MAX_DEPTH,
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

__all__ = ["decode_table"]

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
