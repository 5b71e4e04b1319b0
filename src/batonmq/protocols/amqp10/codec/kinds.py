"""The types of AMQP 1.0 as Python has them (part 1 §1.6); `values` has the table of all.

Where Python's own type does not tell the type on the wire, a subclass does, which compares and hashes as the plain
value. What a value holds is checked when it is encoded.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from batonmq.fields import FieldError
from batonmq.protocols.amqp10 import conditions


class DecodeError(FieldError):
    """Bytes that are no value of AMQP 1.0, or not the value that has to stand there.

    ``condition`` is the error condition that the peer is told: ``amqp:decode-error``, unless something else fits.
    """

    condition = conditions.DECODE_ERROR


class InvalidField(DecodeError):
    """A field of a composite value is absent and must not be, or has a value that its type does not have."""

    condition = conditions.INVALID_FIELD


class EncodeError(FieldError):
    """A value that AMQP 1.0 has no bytes for: of another type, out of its type's range, or nested too deep."""


class UByte(int):
    """ubyte: 0 to 255."""

    __slots__ = ()


class UShort(int):
    """ushort: 0 to 65,535."""

    __slots__ = ()


class UInt(int):
    """uint: an unsigned integer of 32 bits."""

    __slots__ = ()


class ULong(int):
    """ulong: an unsigned integer of 64 bits."""

    __slots__ = ()


class Byte(int):
    """byte: -128 to 127."""

    __slots__ = ()


class Short(int):
    """short: a signed integer of 16 bits."""

    __slots__ = ()


class Int(int):
    """int: a signed integer of 32 bits."""

    __slots__ = ()


class Long(int):
    """long: a signed integer of 64 bits. A plain int is encoded as one."""

    __slots__ = ()


class Timestamp(int):
    """timestamp: milliseconds since the epoch, a signed integer of 64 bits."""

    __slots__ = ()


class Float(float):
    """float: 32 bits, IEEE 754. A plain float is a double."""

    __slots__ = ()


class Decimal32(bytes):
    """decimal32: the four octets of IEEE 754-2008's encoding, which are not looked into."""

    __slots__ = ()


class Decimal64(bytes):
    """decimal64: eight octets."""

    __slots__ = ()


class Decimal128(bytes):
    """decimal128: sixteen octets."""

    __slots__ = ()


class Char(str):
    """char: one Unicode character; no surrogate."""

    __slots__ = ()


class Symbol(str):
    """symbol: ASCII text that names something within a constrained domain."""

    __slots__ = ()


class Described:
    """A value with a descriptor that says what it means (§1.3): a `Symbol` or a `ULong`, mostly."""

    __slots__ = ("descriptor", "value")

    def __init__(self, descriptor: object, value: object) -> None:
        self.descriptor = descriptor
        self.value = value

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Described):
            return NotImplemented
        return self.descriptor == other.descriptor and self.value == other.value

    def __hash__(self) -> int:
        return hash((self.descriptor, self.value))

    def __repr__(self) -> str:
        return f"Described({self.descriptor!r}, {self.value!r})"


class Array:
    """Values of one type (§1.6.24).

    ``kind`` is the Python type of the elements: `UInt`, ``str``, ``type(None)``, ``list``, `Array`, and so on.
    ``descriptors`` are those that all elements have, the outermost first; mostly there are none. ``values`` are the
    elements without them; iteration gives the elements with them, as `Described`.
    """

    __slots__ = ("descriptors", "kind", "values")

    def __init__(self, kind: type, values: Iterable[object] = (), descriptors: Iterable[object] = ()) -> None:
        self.kind = kind
        self.values: tuple[object, ...] = tuple(values)
        self.descriptors: tuple[object, ...] = tuple(descriptors)

    def __iter__(self) -> Iterator[object]:
        if not self.descriptors:
            return iter(self.values)
        return (self._described(value) for value in self.values)

    def _described(self, value: object) -> object:
        for descriptor in reversed(self.descriptors):
            value = Described(descriptor, value)
        return value

    def __len__(self) -> int:
        return len(self.values)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Array):
            return NotImplemented
        return self.kind is other.kind and self.values == other.values and self.descriptors == other.descriptors

    def __hash__(self) -> int:
        return hash((self.kind, self.values, self.descriptors))

    def __repr__(self) -> str:
        described = f", descriptors={self.descriptors!r}" if self.descriptors else ""
        return f"Array({self.kind.__name__}, {list(self.values)!r}{described})"


class FrozenMap(tuple[tuple[object, object], ...]):
    """A map that is the key of another map: its entries, in order. Maps and lists elsewhere are ``dict`` and ``list``.

    A list that is a key is a ``tuple``. All are encoded as the list or the map that they stand for.
    """

    __slots__ = ()


class Encodable:
    """What has bytes of its own: a composite value, wherever in a value it stands."""

    __slots__ = ()

    def encoded(self) -> bytes:
        """The value as it is on the wire, with its descriptor. Raises EncodeError."""
        raise NotImplementedError


MAX_DEPTH: Final = 64
"""How deep values may be nested in one another: lists, maps, arrays, described values."""

MAX_NOTHINGS: Final = 64
"""How many elements that take no octets (null, true, the number 0, the empty list) arrays in one value may have
beyond as many as the value has octets. So small frames cannot ask for large memory."""

MAX_ODD_KEYS: Final = 64
"""How many keys of one map may be uuids, lists, maps, arrays or described values. A peer can make such keys up that
Python's dictionaries find hard to tell apart; all others it cannot, or only few of them."""
