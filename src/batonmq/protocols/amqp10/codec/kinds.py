"""Python classes for the types of AMQP 1.0 (part 1 §1.6); the table of all types is in `values`.

Where a Python type does not determine the type on the wire, a subclass of it does. Its values compare and hash like
plain ones. A value is checked when it is encoded.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from batonmq.fields import FieldError
from batonmq.protocols.amqp10 import conditions


class DecodeError(FieldError):
    """The bytes are not a valid AMQP 1.0 value, or not the kind of value that is required there.

    ``condition``: the error condition to report to the peer; ``amqp:decode-error`` unless another fits better.
    """

    condition = conditions.DECODE_ERROR


class InvalidField(DecodeError):
    """A mandatory field of a composite value is missing, or a field has a value that its type does not allow."""

    condition = conditions.INVALID_FIELD


class EncodeError(FieldError):
    """A value that AMQP 1.0 cannot represent: its type is unknown, it is out of range, or it is nested too deeply."""


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
    """decimal32: the four octets of its IEEE 754-2008 encoding, kept as they are."""

    __slots__ = ()


class Decimal64(bytes):
    """decimal64: eight octets."""

    __slots__ = ()


class Decimal128(bytes):
    """decimal128: sixteen octets."""

    __slots__ = ()


class Char(str):
    """char: one Unicode character, but no surrogate."""

    __slots__ = ()


class Symbol(str):
    """symbol: ASCII text that names something within a constrained domain."""

    __slots__ = ()


class Described:
    """A value with a descriptor that says what it means (§1.3), usually a `Symbol` or a `ULong`."""

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
    ``descriptors`` are common to all elements, outermost first; usually there are none. ``values`` are the elements
    without descriptors; iteration yields them with their descriptors, as `Described`.
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
    """A map that is a key of another map: its entries, in order. It is encoded like the ``dict`` of the same entries.

    A list that is a key is a ``tuple``. Everywhere else, maps and lists are ``dict`` and ``list``.
    """

    __slots__ = ()


class Encodable:
    """Base of the classes that encode themselves: composite values, which may be part of any value."""

    __slots__ = ()

    def encoded(self) -> bytes:
        """The encoded value, with its descriptor. Raises EncodeError."""
        raise NotImplementedError


MAX_DEPTH: Final = 64
"""How many levels deep lists, maps, arrays and described values may be nested."""

MAX_NOTHINGS: Final = 64
"""How many array elements of no octets (null, true, the number 0, the empty list) a value may have, beyond one for each
of its octets. Otherwise a small frame could use up a lot of memory."""

MAX_ODD_KEYS: Final = 64
"""How many keys of one map may be uuids, lists, maps, arrays or described values. Of these, a peer can make up any
number with equal hashes, which makes a dictionary slow; of other types it can make up few, or none."""
