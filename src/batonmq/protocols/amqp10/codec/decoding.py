"""Decodes values (part 1 §1.6), from each of their encodings, the shortest or not.

The file is longer than most, as values contain values: the readers of all types call each other, through one table.
"""

from __future__ import annotations

import struct
import uuid
from collections.abc import Callable
from typing import Final, TypeAlias

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

_u16: Final = struct.Struct(">H").unpack_from
_u32: Final = struct.Struct(">I").unpack_from
_u64: Final = struct.Struct(">Q").unpack_from
_s16: Final = struct.Struct(">h").unpack_from
_s32: Final = struct.Struct(">i").unpack_from
_s64: Final = struct.Struct(">q").unpack_from
_f32: Final = struct.Struct(">f").unpack_from
_f64: Final = struct.Struct(">d").unpack_from
_NULL: Final = 0x40
# Size and count of a compound value.
_u32_u32: Final = struct.Struct(">II").unpack_from


class _Bounds:
    """How many more elements of no octets the whole value may have."""

    __slots__ = ("nothings",)

    def __init__(self, octets: int) -> None:
        self.nothings = octets + MAX_NOTHINGS

    def take(self, count: int) -> None:
        """Raises DecodeError."""
        self.nothings -= count
        if self.nothings < 0:
            raise DecodeError("arrays of what takes no octets have too many elements")


_Reader: TypeAlias = Callable[[bytes, int, int, int, _Bounds], tuple[object, int]]
"""Reads a value after its constructor: (data, at, end, depth, bounds) to the value and the place of the next one.

It may read beyond ``end``; then the returned place is beyond ``end``, too, and the caller detects it. The size of the
value is bounded by the octets before ``end``. Raises DecodeError, IndexError or struct.error.
"""


def decode(data: bytes, at: int = 0, end: int | None = None) -> tuple[object, int]:
    """Decode the value at ``at``; returns it, and where the next one begins, at most ``end``. Raises DecodeError."""
    if end is None or end > len(data):
        end = len(data)
    try:
        value, stop = _value(data, at, end, 0, _Bounds(end - at))
    except (IndexError, struct.error):
        raise DecodeError("a value ends in the middle") from None
    if stop > end:
        raise DecodeError("a value is longer than what holds it")
    return value, stop


def decode_whole(data: bytes, at: int = 0, end: int | None = None) -> object:
    """Decode the only value between ``at`` and ``end``. Raises DecodeError, also if bytes are left over."""
    if end is None:
        end = len(data)
    value, stop = decode(data, at, end)
    if stop != end:
        raise DecodeError(f"{end - stop} octets are left behind a value")
    return value


def skip(data: bytes, at: int, end: int) -> int:
    """Find the end of the value at ``at``, at most ``end``. Its content is not checked.

    Raises DecodeError.
    """
    try:
        code = data[at]
        depth = 0
        while not code:
            depth += 1
            if depth > MAX_DEPTH:
                raise DecodeError(f"values are nested more than {MAX_DEPTH} levels deep")
            # A descriptor is no described value, or the depth would have to be counted along two ways.
            at = _skip_plain(data, at + 1, end)
            code = data[at]
        stop = _skip_plain(data, at, end)
    except (IndexError, struct.error):
        raise DecodeError("a value ends in the middle") from None
    if stop > end:
        raise DecodeError("a value is longer than what holds it")
    return stop


def _skip_plain(data: bytes, at: int, end: int) -> int:
    code = data[at]
    if code not in _READERS:
        raise DecodeError(f"no type has the constructor 0x{code:02x}")
    width = _WIDTHS[code >> 4]
    if width >= 0:
        return at + 1 + width
    stop: int = at + 2 + data[at + 1] if width == _SIZE8 else at + 5 + _u32(data, at + 1)[0]
    if stop > end:
        raise DecodeError("a value is longer than what holds it")
    return stop


# The octets behind a constructor by its upper half (§1.2): so many, or as many as one or four octets say.
_SIZE8: Final = -1
_SIZE32: Final = -4
_WIDTHS: Final = (-9, -9, -9, -9, 0, 1, 2, 4, 8, 16, _SIZE8, _SIZE32, _SIZE8, _SIZE32, _SIZE8, _SIZE32)


def _value(data: bytes, at: int, end: int, depth: int, bounds: _Bounds) -> tuple[object, int]:
    """Read the value whose constructor is at ``at``. Parameters and result are those of a `_Reader`."""
    code = data[at]
    if not code:
        return _described(data, at + 1, end, depth, bounds)
    reader = _READERS.get(code)
    if reader is None:
        raise DecodeError(f"no type has the constructor 0x{code:02x}")
    return reader(data, at + 1, end, depth, bounds)


def _text(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise DecodeError("a string is not UTF-8") from None


# A cache: peers use a few dozen symbols again and again.
_SYMBOLS: Final[dict[bytes, Symbol]] = {}
_SYMBOLS_MAX: Final = 1024
_SYMBOL_MAX: Final = 64


def _symbol(raw: bytes) -> Symbol:
    known = _SYMBOLS.get(raw)
    if known is not None:
        return known
    try:
        symbol = Symbol(raw, "ascii")
    except UnicodeDecodeError:
        raise DecodeError("a symbol is not ASCII") from None
    if len(raw) <= _SYMBOL_MAX:
        if len(_SYMBOLS) >= _SYMBOLS_MAX:
            _SYMBOLS.clear()
        _SYMBOLS[raw] = symbol
    return symbol


def _deeper(depth: int) -> int:
    if depth >= MAX_DEPTH:
        raise DecodeError(f"values are nested more than {MAX_DEPTH} levels deep")
    return depth + 1


def _described(data: bytes, at: int, end: int, depth: int, bounds: _Bounds) -> tuple[object, int]:
    depth = _deeper(depth)
    descriptor, at = _value(data, at, end, depth, bounds)
    value, at = _value(data, at, end, depth, bounds)
    return Described(descriptor, value), at


# ---------------------------------------------------------------------- what has a fixed width


def _constant(value: object) -> _Reader:
    def read(_data: bytes, at: int, _end: int, _depth: int, _bounds: _Bounds) -> tuple[object, int]:
        return value, at

    return read


def _number(unpack: Callable[[bytes, int], tuple[object, ...]], width: int, make: Callable[..., object]) -> _Reader:
    def read(data: bytes, at: int, _end: int, _depth: int, _bounds: _Bounds) -> tuple[object, int]:
        return make(unpack(data, at)[0]), at + width

    return read


def _octets(width: int, make: Callable[[bytes], object]) -> _Reader:
    def read(data: bytes, at: int, end: int, _depth: int, _bounds: _Bounds) -> tuple[object, int]:
        stop = at + width
        if stop > end:
            raise DecodeError("a value ends in the middle")
        return make(data[at:stop]), stop

    return read


def _octet(make: Callable[[int], object]) -> _Reader:
    def read(data: bytes, at: int, _end: int, _depth: int, _bounds: _Bounds) -> tuple[object, int]:
        return make(data[at]), at + 1

    return read


def _boolean(octet: int) -> bool:
    if octet > 1:
        raise DecodeError(f"a boolean is 0x{octet:02x}, neither 0 nor 1")
    return octet == 1


def _char(number: int) -> Char:
    if number > 0x10FFFF or 0xD800 <= number <= 0xDFFF:
        raise DecodeError(f"no character has the number 0x{number:x}")
    return Char(chr(number))


def _signed(make: Callable[[int], object]) -> Callable[[int], object]:
    return lambda octet: make(octet - 256 if octet > 127 else octet)


# ---------------------------------------------------------------------- what tells its length


def _variable(size: Callable[[bytes, int], int], before: int, make: Callable[[bytes], object]) -> _Reader:
    def read(data: bytes, at: int, end: int, _depth: int, _bounds: _Bounds) -> tuple[object, int]:
        start = at + before
        stop = start + size(data, at)
        if stop > end:
            raise DecodeError("a value is longer than what holds it")
        return make(data[start:stop]), stop

    return read


def _size8(data: bytes, at: int) -> int:
    return data[at]


def _size32(data: bytes, at: int) -> int:
    size: int = _u32(data, at)[0]
    return size


def _extent8(data: bytes, at: int, end: int) -> tuple[int, int, int]:
    """Count, start and stop of a compound value."""
    stop = at + 1 + data[at]
    if stop > end:
        raise DecodeError("a value is longer than what holds it")
    if stop == at + 1:
        raise DecodeError("a size has no room for the count of elements")
    return data[at + 1], at + 2, stop


def _extent32(data: bytes, at: int, end: int) -> tuple[int, int, int]:
    size, count = _u32_u32(data, at)
    stop = at + 4 + size
    if stop > end:
        raise DecodeError("a value is longer than what holds it")
    if size < 4:
        raise DecodeError("a size has no room for the count of elements")
    return count, at + 8, stop


_Extent: TypeAlias = Callable[[bytes, int, int], tuple[int, int, int]]


def _list(extent: _Extent) -> _Reader:
    def read(data: bytes, at: int, end: int, depth: int, bounds: _Bounds) -> tuple[object, int]:
        count, at, stop = extent(data, at, end)
        return _elements(data, at, stop, count, depth, bounds), stop

    return read


def _elements(data: bytes, at: int, stop: int, count: int, depth: int, bounds: _Bounds) -> list[object]:
    """Read ``count`` values, which must fill the octets up to ``stop``."""
    depth = _deeper(depth)
    if count > stop - at:
        raise DecodeError("a list or a map has more elements than octets")
    values: list[object] = []
    add = values.append
    readers = _READERS
    try:
        for _ in range(count):
            code = data[at]
            # The most frequent type needs no call.
            if code == 0xA1:
                start = at + 2
                at = start + data[at + 1]
                if at > stop:
                    raise DecodeError("a string is longer than what holds it")
                add(data[start:at].decode())
            elif code in _CONSTANTS:
                add(_CONSTANTS[code])
                at += 1
            elif code == 0x52:
                add(_SMALL_UINTS[data[at + 1]])
                at += 2
            else:
                reader = readers.get(code)
                value, at = (
                    reader(data, at + 1, stop, depth, bounds) if reader else _value(data, at, stop, depth, bounds)
                )
                add(value)
    except UnicodeDecodeError:
        raise DecodeError("a string is not UTF-8") from None
    if at != stop:
        raise DecodeError("the size of a list or a map is not that of its elements")
    return values


def _list0(_data: bytes, at: int, _end: int, _depth: int, _bounds: _Bounds) -> tuple[object, int]:
    return [], at


def _map(extent: _Extent) -> _Reader:
    def read(data: bytes, at: int, end: int, depth: int, bounds: _Bounds) -> tuple[object, int]:
        count, at, stop = extent(data, at, end)
        if count & 1:
            raise DecodeError("a map has a key without a value")
        values = _elements(data, at, stop, count, depth, bounds)
        keys = values[::2]
        if len(keys) > MAX_ODD_KEYS and sum(map(_is_odd, keys)) > MAX_ODD_KEYS:
            raise DecodeError(f"a map has more than {MAX_ODD_KEYS} keys that are uuids or compound")
        try:
            found = dict(zip(keys, values[1::2], strict=True))
        except TypeError:
            # Lists and maps among the keys.
            found = dict(zip(map(_frozen, keys), values[1::2], strict=True))
        if len(found) * 2 != count:
            raise DecodeError("a map has two keys that are equal")
        return found, stop

    return read


def _is_odd(key: object) -> bool:
    return isinstance(key, uuid.UUID | list | dict | Array | Described)


def _frozen(value: object) -> object:
    """The value in the form that it has as a key of a map."""
    if isinstance(value, list):
        return tuple(map(_frozen, value))
    if isinstance(value, dict):
        return FrozenMap((key, _frozen(entry)) for key, entry in value.items())
    if isinstance(value, Array):
        return Array(value.kind, map(_frozen, value.values), value.descriptors)
    if isinstance(value, Described):
        return Described(_frozen(value.descriptor), _frozen(value.value))
    return value


def _array(extent: _Extent) -> _Reader:
    def read(data: bytes, at: int, end: int, depth: int, bounds: _Bounds) -> tuple[object, int]:
        count, at, stop = extent(data, at, end)
        depth = _deeper(depth)
        descriptors: list[object] = []
        while not data[at]:
            if len(descriptors) + depth >= MAX_DEPTH:
                raise DecodeError(f"values are nested more than {MAX_DEPTH} levels deep")
            descriptor, at = _value(data, at + 1, stop, depth, bounds)
            descriptors.append(_frozen(descriptor))
        code = data[at]
        at += 1
        reader = _READERS.get(code)
        if reader is None:
            raise DecodeError(f"no type has the constructor 0x{code:02x}")
        if not _WIDTHS[code >> 4]:
            bounds.take(count)
            if code == _NULL and count > MAX_NOTHINGS:
                # Each of them has no octets in any encoding: it could not be written again.
                raise DecodeError(f"an array of null has more than {MAX_NOTHINGS} elements")
        elif count > stop - at:
            raise DecodeError("an array has more elements than octets")
        values: list[object] = []
        for _ in range(count):
            value, at = reader(data, at, stop, depth, bounds)
            values.append(value)
        if at != stop:
            raise DecodeError("the size of an array is not that of its elements")
        return Array(_KINDS[code], values, descriptors), stop

    return read


# Of constructors that are whole values which nobody can change.
_CONSTANTS: Final[dict[int, object]] = {0x40: None, 0x41: True, 0x42: False, 0x43: UInt(0), 0x44: ULong(0)}
_SMALL_UINTS: Final = tuple(map(UInt, range(256)))
_SMALL_ULONGS: Final = tuple(map(ULong, range(256)))

_ENTRIES: Final[tuple[tuple[int, type, _Reader], ...]] = (
    *((code, type(value), _constant(value)) for code, value in _CONSTANTS.items()),
    (0x45, list, _list0),
    (0x50, UByte, _octet(UByte)),
    (0x51, Byte, _octet(_signed(Byte))),
    (0x52, UInt, _octet(_SMALL_UINTS.__getitem__)),
    (0x53, ULong, _octet(_SMALL_ULONGS.__getitem__)),
    (0x54, Int, _octet(_signed(Int))),
    (0x55, Long, _octet(_signed(Long))),
    (0x56, bool, _octet(_boolean)),
    (0x60, UShort, _number(_u16, 2, UShort)),
    (0x61, Short, _number(_s16, 2, Short)),
    (0x70, UInt, _number(_u32, 4, UInt)),
    (0x71, Int, _number(_s32, 4, Int)),
    (0x72, Float, _number(_f32, 4, Float)),
    (0x73, Char, _number(_u32, 4, _char)),
    (0x74, Decimal32, _octets(4, Decimal32)),
    (0x80, ULong, _number(_u64, 8, ULong)),
    (0x81, Long, _number(_s64, 8, Long)),
    (0x82, float, _number(_f64, 8, float)),
    (0x83, Timestamp, _number(_s64, 8, Timestamp)),
    (0x84, Decimal64, _octets(8, Decimal64)),
    (0x94, Decimal128, _octets(16, Decimal128)),
    (0x98, uuid.UUID, _octets(16, lambda raw: uuid.UUID(bytes=raw))),
    (0xA0, bytes, _variable(_size8, 1, bytes)),
    (0xA1, str, _variable(_size8, 1, _text)),
    (0xA3, Symbol, _variable(_size8, 1, _symbol)),
    (0xB0, bytes, _variable(_size32, 4, bytes)),
    (0xB1, str, _variable(_size32, 4, _text)),
    (0xB3, Symbol, _variable(_size32, 4, _symbol)),
    (0xC0, list, _list(_extent8)),
    (0xC1, dict, _map(_extent8)),
    (0xD0, list, _list(_extent32)),
    (0xD1, dict, _map(_extent32)),
    (0xE0, Array, _array(_extent8)),
    (0xF0, Array, _array(_extent32)),
)

# By constructor: how its octets are read, and of which type the value is.
_READERS: Final[dict[int, _Reader]] = {code: reader for code, _, reader in _ENTRIES}
_KINDS: Final[dict[int, type]] = {code: kind for code, kind, _ in _ENTRIES}
