"""The type system of AMQP 1.0 (part 1): its types in Python, and functions that encode and decode values.

A value that is decoded and encoded again keeps its type: where a Python type does not determine it, a subclass does.

=====================  =====================  ========================================
type                   in Python              octets after the constructor
=====================  =====================  ========================================
null                   None                   none
boolean                bool                   none, or 1
ubyte, ushort          UByte, UShort          1; 2
uint, ulong            UInt, ULong            none for 0, 1, or 4; none for 0, 1, or 8
byte, short            Byte, Short            1; 2
int, long              Int, Long              1 or 4; 1 or 8
float, double          Float, float           4; 8
decimal32, 64, 128     Decimal32, ...         4; 8; 16
char                   Char                   4
timestamp              Timestamp              8: milliseconds since the epoch
uuid                   uuid.UUID              16
binary                 bytes                  1 or 4 for the length, then the content
string                 str                    the same, UTF-8
symbol                 Symbol                 the same, ASCII
list                   list                   none for the empty one; size, count, the elements
map                    dict                   size, count, keys and values in turn
array                  Array                  size, count, one constructor, the elements
described              Described              a descriptor, and any value
=====================  =====================  ========================================

As a key of a map, a list becomes a tuple, and a map a `FrozenMap`. Keys that are equal in Python, such as a symbol and
a string of the same text, are refused as duplicates. The composite values of `performatives` can be encoded wherever a
described value is allowed; decoding returns `Described` there.
"""

from __future__ import annotations

from batonmq.protocols.amqp10.codec.decoding import decode, decode_whole, skip
from batonmq.protocols.amqp10.codec.encoding import encode
from batonmq.protocols.amqp10.codec.kinds import (
    MAX_DEPTH,
    MAX_NOTHINGS,
    MAX_ODD_KEYS,
    Array,
    Byte,
    Char,
    Decimal32,
    Decimal64,
    Decimal128,
    DecodeError,
    Described,
    EncodeError,
    Float,
    FrozenMap,
    Int,
    InvalidField,
    Long,
    Short,
    Symbol,
    Timestamp,
    UByte,
    UInt,
    ULong,
    UShort,
)

__all__ = [
    "MAX_DEPTH",
    "MAX_NOTHINGS",
    "MAX_ODD_KEYS",
    "Array",
    "Byte",
    "Char",
    "Decimal32",
    "Decimal64",
    "Decimal128",
    "DecodeError",
    "Described",
    "EncodeError",
    "Float",
    "FrozenMap",
    "Int",
    "InvalidField",
    "Long",
    "Short",
    "Symbol",
    "Timestamp",
    "UByte",
    "UInt",
    "ULong",
    "UShort",
    "decode",
    "decode_whole",
    "encode",
    "skip",
]
