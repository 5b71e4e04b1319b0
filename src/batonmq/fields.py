"""The values of field tables of AMQP 0-9-1, section 4.2.5.5: the types that brokers and clients really use.

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

``field_decoding`` and ``field_encoding`` are the codec. The types are apart from it, as a class that is based on one of
Python's own cannot be compiled.
"""

from __future__ import annotations

from datetime import datetime
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
