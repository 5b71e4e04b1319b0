"""The type system of AMQP 1.0 (part 1): what each type is in Python, and from bytes to values and back.

A value keeps its type through decode and encode: where Python's own type does not tell it, a subclass does.

=====================  =====================  ========================================
type                   in Python              octets behind the constructor
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
binary                 bytes                  1 or 4 for the length, and so many
string                 str                    the same, UTF-8
symbol                 Symbol                 the same, ASCII
list                   list                   none for the empty one; size, count, the elements
map                    dict                   size, count, keys and values in turn
array                  Array                  size, count, one constructor, the elements
described              Described              a descriptor, and any value
=====================  =====================  ========================================

As the key of a map a list is a tuple and a map a `FrozenMap`. Keys that Python holds for equal, such as the symbol and
the string of one text, are refused as one key twice. A composite value of `performatives` may stand wherever a
described value may, and is encoded; decoding tells `Described`.
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
