"""From values to bytes (part 1 §1.6), each in its shortest encoding.

All elements of an array share one constructor: the shortest one that fits each of them. The file is longer than most,
as values contain values: the encoders of all types call each other, through one table.
"""

from __future__ import annotations

import struct
import uuid
from collections.abc import Callable, Iterable, Mapping
from typing import Final, TypeAlias

from batonmq.protocols.amqp10.codec.kinds import (
    MAX_DEPTH,
    MAX_NOTHINGS,
    Array,
    Byte,
    Char,
    Decimal32,
    Decimal64,
    Decimal128,
    Described,
    Encodable,
    EncodeError,
    Float,
    FrozenMap,
    Int,
    Long,
    Short,
    Symbol,
    Timestamp,
    UByte,
    UInt,
    ULong,
    UShort,
)

_pack_u32: Final = struct.Struct(">I").pack
_pack_u32_u32: Final = struct.Struct(">II").pack


def encode(value: object) -> bytes:
    """Encode a value as briefly as possible, with its descriptor if it has one.

    A plain int becomes a long, a tuple a list. Raises EncodeError.
    """
    return _encode(value, 0)


def encode_list(parts: list[bytes]) -> bytes:
    """Make a list of encoded values. Raises EncodeError."""
    if not parts:
        return b"\x45"
    return _compound(b"\xc0", b"\xd0", parts, len(parts))


def encode_map(entries: bytes, count: int) -> bytes:
    """Make a map of ``count`` encoded keys, each followed by its encoded value. Raises EncodeError."""
    return _compound(b"\xc1", b"\xd1", (entries,), count * 2)


def _encode(value: object, depth: int) -> bytes:
    kind = type(value)
    encoder = _ENCODERS.get(kind)
    if encoder is not None:
        return encoder(value, depth)
    return _ENCODERS[_kind_of(value)](value, depth)


def _kind_of(value: object) -> type:
    """The known type that a value of a subclass is an instance of. Raises EncodeError."""
    for kind in type(value).__mro__:
        if kind in _ENCODERS:
            return kind
    if isinstance(value, Mapping):
        return dict
    raise EncodeError(f"AMQP 1.0 has no type for a value of type {type(value).__name__}")


def _deeper(depth: int) -> int:
    if depth >= MAX_DEPTH:
        raise EncodeError(f"values are nested more than {MAX_DEPTH} levels deep")
    return depth + 1


# ---------------------------------------------------------------------- types of fixed width

_Encoder: TypeAlias = Callable[[object, int], bytes]
_Packer: TypeAlias = Callable[[object], bytes]
"""Returns the octets of a value without its constructor. Raises struct.error, TypeError or EncodeError."""


def _out_of_range(kind: type, value: object) -> EncodeError:
    return EncodeError(f"{value!r} is out of the range of type {kind.__name__.lower()}")


def _number(kind: type, code: bytes, layout: str, short: bytes = b"", nothing: bytes = b"") -> _Encoder:
    """An encoder of integers: ``short`` is the constructor of those that fit in an octet, ``nothing`` encodes 0."""
    pack = struct.Struct(layout).pack
    is_signed = layout[1].islower()
    low, high = (-128, 127) if is_signed else (0, 255)
    # By their octet.
    small = [short + bytes((octet,)) for octet in range(256)]

    def encode_number(value: object, _depth: int) -> bytes:
        assert isinstance(value, int)
        if not value and nothing:
            return nothing
        if short and low <= value <= high:
            return small[value & 0xFF]
        try:
            return code + pack(value)
        except struct.error:
            raise _out_of_range(kind, value) from None

    return encode_number


def _encode_boolean(value: object, _depth: int) -> bytes:
    return b"\x41" if value else b"\x42"


def _encode_nothing(_value: object, _depth: int) -> bytes:
    return b"\x40"


def _packed(code: bytes, pack: _Packer) -> _Encoder:
    def encode_packed(value: object, _depth: int) -> bytes:
        return code + pack(value)

    return encode_packed


_pack_f32: Final = struct.Struct(">f").pack
_pack_f64: Final = struct.Struct(">d").pack


def _float(value: object) -> bytes:
    try:
        return _pack_f32(value)
    except OverflowError:
        raise _out_of_range(Float, value) from None


def _double(value: object) -> bytes:
    return _pack_f64(value)


def _char(value: object) -> bytes:
    assert isinstance(value, str)
    if len(value) != 1 or 0xD800 <= ord(value) <= 0xDFFF:
        raise EncodeError(f"a char is not one Unicode character: {value!r}")
    return _pack_u32(ord(value))


def _decimal(width: int) -> _Packer:
    def pack(value: object) -> bytes:
        assert isinstance(value, bytes)
        if len(value) != width:
            raise EncodeError(f"a decimal{width * 8} has {len(value)} octets, not {width}")
        return bytes(value)

    return pack


def _uuid(value: object) -> bytes:
    assert isinstance(value, uuid.UUID)
    return value.bytes


# ---------------------------------------------------------------------- types of variable width


def _binary(value: object) -> bytes:
    assert isinstance(value, bytes | bytearray | memoryview)
    return bytes(value)


def _symbol(value: object) -> bytes:
    assert isinstance(value, str)
    try:
        return value.encode("ascii")
    except UnicodeEncodeError:
        raise EncodeError(f"a symbol is not ASCII: {value[:64]!r}") from None


def _variable(short: bytes, long: bytes, pack: _Packer) -> _Encoder:
    heads = [short + bytes((size,)) for size in range(256)]

    def encode_variable(value: object, _depth: int) -> bytes:
        raw = pack(value)
        size = len(raw)
        if size <= 255:
            return heads[size] + raw
        return b"%b%b%b" % (long, _pack_size(size), raw)

    return encode_variable


_STRING_HEADS: Final = tuple(b"\xa1" + bytes((size,)) for size in range(256))


def _encode_string(value: object, _depth: int) -> bytes:
    # Like _variable(), with one call less: strings are the most frequent values.
    assert isinstance(value, str)
    try:
        raw = value.encode()
    except UnicodeEncodeError:
        raise EncodeError(f"a string is not Unicode text: {value[:64]!r}") from None
    size = len(raw)
    if size <= 255:
        return _STRING_HEADS[size] + raw
    return b"%b%b%b" % (b"\xb1", _pack_size(size), raw)


def _pack_size(size: int) -> bytes:
    try:
        return _pack_u32(size)
    except struct.error:
        raise EncodeError("a value is longer than 4 GiB") from None


def _compound(short: bytes, long: bytes, parts: Iterable[bytes], count: int) -> bytes:
    body = b"".join(parts)
    size = len(body)
    if size <= 254 and count <= 255:
        return b"%b%c%c%b" % (short, size + 1, count, body)
    return b"%b%b%b%b" % (long, _pack_size(size + 4), _pack_size(count), body)


def _encode_list(value: object, depth: int) -> bytes:
    assert isinstance(value, list | tuple)
    depth = _deeper(depth)
    return encode_list([_encode(element, depth) for element in value])


def _entries(value: object) -> Iterable[tuple[object, object]]:
    if isinstance(value, FrozenMap):
        return value
    assert isinstance(value, Mapping)
    return value.items()


def _encode_map(value: object, depth: int) -> bytes:
    depth = _deeper(depth)
    parts = []
    find = _ENCODERS.get
    for entry in _entries(value):
        for part in entry:
            encoder = find(type(part))
            parts.append(encoder(part, depth) if encoder else _encode(part, depth))
    return _compound(b"\xc1", b"\xd1", parts, len(parts))


def _encode_described(value: object, depth: int) -> bytes:
    assert isinstance(value, Described)
    depth = _deeper(depth)
    return b"\x00" + _encode(value.descriptor, depth) + _encode(value.value, depth)


def _encode_own(value: object, depth: int) -> bytes:
    assert isinstance(value, Encodable)
    _deeper(depth)
    return value.encoded()


# ---------------------------------------------------------------------- arrays


def _encode_array(value: object, depth: int) -> bytes:
    assert isinstance(value, Array)
    return _compound(b"\xe0", b"\xf0", _array_parts(value, depth), len(value.values))


def _array_parts(value: Array, depth: int) -> list[bytes]:
    """The constructor of the elements, and each element without it."""
    depth = _deeper(depth) + len(value.descriptors)
    parts = [b"\x00" + _encode(descriptor, depth) for descriptor in value.descriptors]
    kind = value.kind
    values = value.values
    if kind is bool:
        return [*parts, b"\x56", bytes(1 if element else 0 for element in _all_of(bool, values))]
    if kind is type(None):
        _all_of(kind, values)
        if len(values) > MAX_NOTHINGS:
            raise EncodeError(f"an array of null has more than {MAX_NOTHINGS} elements")
        return [*parts, b"\x40"]
    if kind in _COMPOUND:
        return [*parts, *_compound_parts(kind, values, depth)]
    codes = _ARRAY_CODES.get(kind)
    if codes is None:
        raise EncodeError(f"AMQP 1.0 has no arrays of type {kind.__name__}")
    short, long, width = codes
    raw = [_ENCODERS[kind](element, depth) for element in _all_of(kind, values)]
    if width == _VARIABLE:
        # The short encoding's head is two octets, the long one's five.
        if all(element[:1] == short for element in raw):
            return [*parts, short, *(element[1:] for element in raw)]
        return [
            *parts,
            long,
            *(element[1:] if element[:1] == long else b"\0\0\0" + element[1:] for element in raw),
        ]
    if short and all(len(element) <= 2 for element in raw):
        # The number 0 may have become its constructor alone.
        return [*parts, short, b"".join(element[1:] or b"\0" for element in raw)]
    body = [_widened(kind, element, width) for element in values] if short else [element[1:] for element in raw]
    return [*parts, long, *body]


def _widened(kind: type, element: object, width: int) -> bytes:
    assert isinstance(element, int)
    return element.to_bytes(width, "big", signed=kind in (Int, Long))


def _all_of(kind: type, values: tuple[object, ...]) -> tuple[object, ...]:
    """Check that all are of that type; a plain int counts as any type of integer. Raises EncodeError."""
    for element in values:
        if not isinstance(element, kind) and not (type(element) is int and issubclass(kind, int) and kind is not bool):
            raise EncodeError(f"an array of type {kind.__name__} holds a value of type {type(element).__name__}")
    return values


_COMPOUND: Final = frozenset({list, dict, Array, tuple, FrozenMap})


def _compound_parts(kind: type, values: tuple[object, ...], depth: int) -> list[bytes]:
    """Lists, maps or arrays as elements of an array: their constructor, and each element without it."""
    deeper = _deeper(depth)
    bodies: list[tuple[int, bytes]] = []
    short, long = b"\xc0", b"\xd0"
    if kind is Array:
        short, long = b"\xe0", b"\xf0"
        for element in values:
            if not isinstance(element, Array):
                raise EncodeError(f"an array of arrays holds a value of type {type(element).__name__}")
            bodies.append((len(element.values), b"".join(_array_parts(element, depth))))
    elif kind is dict or kind is FrozenMap:
        short, long = b"\xc1", b"\xd1"
        for element in values:
            if not isinstance(element, Mapping | FrozenMap):
                raise EncodeError(f"an array of maps holds a value of type {type(element).__name__}")
            parts = [_encode(part, deeper) for entry in _entries(element) for part in entry]
            bodies.append((len(parts), b"".join(parts)))
    else:
        for element in values:
            if not isinstance(element, list | tuple):
                raise EncodeError(f"an array of lists holds a value of type {type(element).__name__}")
            parts = [_encode(part, deeper) for part in element]
            bodies.append((len(parts), b"".join(parts)))
    if all(count <= 255 and len(body) <= 254 for count, body in bodies):
        return [short, *(b"%c%c%b" % (len(body) + 1, count, body) for count, body in bodies)]
    return [long, *(_pack_u32_u32(len(body) + 4, count) + body for count, body in bodies)]


_VARIABLE: Final = 0

# The short constructor, the long one, and how many octets the values of the long one have.
_ARRAY_CODES: Final[dict[type, tuple[bytes, bytes, int]]] = {
    UByte: (b"", b"\x50", 1),
    UShort: (b"", b"\x60", 2),
    UInt: (b"\x52", b"\x70", 4),
    ULong: (b"\x53", b"\x80", 8),
    Byte: (b"", b"\x51", 1),
    Short: (b"", b"\x61", 2),
    Int: (b"\x54", b"\x71", 4),
    Long: (b"\x55", b"\x81", 8),
    int: (b"\x55", b"\x81", 8),
    Float: (b"", b"\x72", 4),
    float: (b"", b"\x82", 8),
    Decimal32: (b"", b"\x74", 4),
    Decimal64: (b"", b"\x84", 8),
    Decimal128: (b"", b"\x94", 16),
    Char: (b"", b"\x73", 4),
    Timestamp: (b"", b"\x83", 8),
    uuid.UUID: (b"", b"\x98", 16),
    bytes: (b"\xa0", b"\xb0", _VARIABLE),
    str: (b"\xa1", b"\xb1", _VARIABLE),
    Symbol: (b"\xa3", b"\xb3", _VARIABLE),
}

_ENCODERS: Final[dict[type, _Encoder]] = {
    type(None): _encode_nothing,
    bool: _encode_boolean,
    UByte: _number(UByte, b"\x50", ">B"),
    UShort: _number(UShort, b"\x60", ">H"),
    UInt: _number(UInt, b"\x70", ">I", b"\x52", b"\x43"),
    ULong: _number(ULong, b"\x80", ">Q", b"\x53", b"\x44"),
    Byte: _number(Byte, b"\x51", ">b"),
    Short: _number(Short, b"\x61", ">h"),
    Int: _number(Int, b"\x71", ">i", b"\x54"),
    Long: _number(Long, b"\x81", ">q", b"\x55"),
    int: _number(Long, b"\x81", ">q", b"\x55"),
    Timestamp: _number(Timestamp, b"\x83", ">q"),
    Float: _packed(b"\x72", _float),
    float: _packed(b"\x82", _double),
    Decimal32: _packed(b"\x74", _decimal(4)),
    Decimal64: _packed(b"\x84", _decimal(8)),
    Decimal128: _packed(b"\x94", _decimal(16)),
    Char: _packed(b"\x73", _char),
    uuid.UUID: _packed(b"\x98", _uuid),
    bytes: _variable(b"\xa0", b"\xb0", _binary),
    bytearray: _variable(b"\xa0", b"\xb0", _binary),
    memoryview: _variable(b"\xa0", b"\xb0", _binary),
    str: _encode_string,
    Symbol: _variable(b"\xa3", b"\xb3", _symbol),
    list: _encode_list,
    tuple: _encode_list,
    dict: _encode_map,
    FrozenMap: _encode_map,
    Array: _encode_array,
    Described: _encode_described,
    Encodable: _encode_own,
}


def encoder_of(kind: type) -> Callable[[object], bytes]:
    """Returns an encoder that encodes any integer or text as that type; it raises EncodeError."""
    encoder = _ENCODERS[kind]

    def encode_one(value: object) -> bytes:
        return encoder(value, 0)

    return encode_one
