"""How composite values are read and written (part 1 §1.4): lists with a descriptor, whose places are named fields.

A composite type is a class; its annotations, in order, are its fields, by the specification's names with underscores
and with the types below. A field that may be absent is annotated ``| None``, and None where it is absent: the default
that the specification has for it is the reader's business. All others are mandatory. Fields are given by name.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Final, TypeAlias, TypeVar, dataclass_transform

from batonmq.protocols.amqp10.codec import kinds
from batonmq.protocols.amqp10.codec.constants import TAG_MAX
from batonmq.protocols.amqp10.codec.decoding import decode
from batonmq.protocols.amqp10.codec.encoding import encode, encode_list, encoder_of
from batonmq.protocols.amqp10.codec.kinds import Array, DecodeError, Described, Encodable, EncodeError, InvalidField

# The types of fields. The codec uses these names, mypy the types behind them.
Boolean: TypeAlias = bool
Ubyte: TypeAlias = int
Ushort: TypeAlias = int
Uint: TypeAlias = int
Ulong: TypeAlias = int
Timestamp: TypeAlias = int
"""Milliseconds since the epoch."""
String: TypeAlias = str
Symbol: TypeAlias = str
Binary: TypeAlias = bytes
DeliveryTag: TypeAlias = bytes
"""Up to 32 octets."""
SenderSettleMode: TypeAlias = int
"""0 unsettled, 1 settled, 2 mixed."""
ReceiverSettleMode: TypeAlias = int
"""0 first, 1 second."""
Durability: TypeAlias = int
"""0 none, 1 configuration, 2 unsettled state."""
SaslCode: TypeAlias = int
"""0 ok, 1 wrong credentials, 2 an error, 3 an error that stays, 4 an error that may pass."""
Symbols: TypeAlias = Sequence[str]
"""Of ``multiple``: on the wire one symbol or an array of them, here a list, and None for an empty one."""
Fields: TypeAlias = Mapping[object, object] | Mapping[str, object] | Mapping[kinds.Symbol, object]
"""A map whose keys are symbols. Keys of type str are encoded as symbols; strings sent as keys are accepted."""
AnyMap: TypeAlias = Mapping[object, object] | Mapping[str, object] | Mapping[bytes, object]
"""A map with any keys."""
Annotations: TypeAlias = Mapping[object, object] | Mapping[str, object] | Mapping[kinds.Symbol, object]
"""A map whose keys are symbols, or ulongs, which are reserved."""
AnyValue: TypeAlias = object
MessageId: TypeAlias = int | str | bytes | uuid.UUID
"""A ULong, a string, a binary or a uuid; a plain int is encoded as ulong."""


class Composite(Encodable):
    """The base of all composite types. Decoded values may be shared, and must not be changed."""

    __slots__ = ()

    CODE: ClassVar[int] = 0
    """The numeric descriptor, whose upper 32 bits (the domain) are 0."""
    NAME: ClassVar[str] = ""
    """The symbolic descriptor, such as amqp:open:list."""
    PROVIDES: ClassVar[frozenset[str]] = frozenset()
    """The archetypes that a value of the type may stand for."""
    LAYOUT: ClassVar[tuple[Field, ...]] = ()
    """The fields in order."""
    PREFIX: ClassVar[bytes] = b""
    """The descriptor as it is encoded, with the constructor before it."""

    def encoded(self) -> bytes:
        return encode_composite(self)


_Check: TypeAlias = Callable[[object], object]
"""What a decoded field is for the reader. Raises DecodeError."""


class Field:
    """One field of a composite type, with how it is checked and encoded."""

    __slots__ = ("check", "encode", "exact", "kind", "mandatory", "name")

    def __init__(self, name: str, kind: str, *, mandatory: bool) -> None:
        """``kind`` is one of the types above, or an archetype or a composite type of its own."""
        self.name = name
        self.kind = kind
        self.mandatory = mandatory
        known = _TYPES.get(kind)
        self.check, self.encode = known if known is not None else _composite_field(kind)
        # Values of just these types need no check.
        self.exact: frozenset[type] = _UNCHECKED.get(kind, frozenset())


C = TypeVar("C", bound=Composite)

COMPOSITES: Final[dict[object, type[Composite]]] = {}
"""All composite types by their descriptors: the code, and the symbol."""


@dataclass_transform(kw_only_default=True, field_specifiers=(field,))
def composite(code: int, name: str, *provides: str) -> Callable[[type[C]], type[C]]:
    """Make a class with annotated fields a composite type; ``provides`` are the archetypes of its values."""

    def complete(cls: type[C]) -> type[C]:
        made = dataclass(kw_only=True, slots=True)(cls)
        made.CODE = code
        made.NAME = name
        made.PROVIDES = frozenset((made.__name__, *provides))
        made.PREFIX = b"\x00" + encode(kinds.ULong(code))
        made.LAYOUT = tuple(
            Field(key, kind.removesuffix(" | None"), mandatory=not kind.endswith(" | None"))
            for key, kind in cls.__annotations__.items()
            if not kind.startswith("ClassVar")
        )
        COMPOSITES[code] = COMPOSITES[name] = made
        return made

    return complete


# ---------------------------------------------------------------------- whole values


def encode_composite(value: Composite) -> bytes:
    """A composite value with its descriptor; fields that are absent at its end are left out.

    Raises EncodeError, also where a mandatory field is None.
    """
    parts = []
    used = 0
    if not value.LAYOUT:
        return value.PREFIX + b"\x45"
    for part in value.LAYOUT:
        held = getattr(value, part.name)
        if held is None:
            if part.mandatory:
                raise EncodeError(f"{value.NAME} lacks its field {_spelled(part.name)}")
            parts.append(b"\x40")
        else:
            raw = part.encode(held)
            parts.append(raw)
            if raw != b"\x40":
                used = len(parts)
    del parts[used:]
    return value.PREFIX + encode_list(parts)


def decode_composite(data: bytes, at: int = 0, end: int | None = None) -> tuple[Composite, int]:
    """The composite value that begins at ``at``, and where what follows begins. Raises DecodeError."""
    value, at = decode(data, at, end)
    if not isinstance(value, Described):
        raise DecodeError("a composite value has no descriptor")
    return as_composite(value), at


def as_composite(value: Described) -> Composite:
    """The composite value for a decoded described value, by its descriptor. Raises DecodeError."""
    cls = type_of(value.descriptor)
    if cls is None:
        raise DecodeError(f"no composite type has the descriptor {repr(value.descriptor)[:64]}")
    values = value.value
    if not isinstance(values, list):
        raise DecodeError(f"{cls.NAME} is no list")
    layout = cls.LAYOUT
    if len(values) > len(layout):
        raise DecodeError(f"{cls.NAME} has {len(values)} fields, and should have at most {len(layout)}")
    made = cls.__new__(cls)
    missing = len(layout) - len(values)
    for part, held in zip(layout, [*values, *[None] * missing] if missing else values, strict=True):
        if held is None:
            if part.mandatory:
                raise _missing(cls, part)
        elif type(held) not in part.exact:
            held = _checked(cls, part, held)
        setattr(made, part.name, held)
    return made


def _checked(cls: type[Composite], part: Field, held: object) -> object:
    """The value of a field whose type alone does not tell that it is right. Raises DecodeError."""
    try:
        checked = part.check(held)
    except InvalidField as error:
        raise InvalidField(f"{cls.NAME}: {_spelled(part.name)} {error}") from None
    except DecodeError as error:
        raise DecodeError(f"{cls.NAME}: {_spelled(part.name)} {error}") from None
    if checked is None and part.mandatory:
        raise _missing(cls, part)
    return checked


def _missing(cls: type[Composite], part: Field) -> InvalidField:
    return InvalidField(f"{cls.NAME} lacks its field {_spelled(part.name)}")


def type_of(descriptor: object) -> type[Composite] | None:
    """The composite type with that descriptor, numeric or symbolic; None: there is none."""
    if isinstance(descriptor, kinds.ULong | kinds.Symbol):
        return COMPOSITES.get(descriptor)
    return None


def _spelled(name: str) -> str:
    """The name of a field as the specification writes it."""
    return name.replace("_", "-")


# ---------------------------------------------------------------------- fields

_Coder: TypeAlias = Callable[[object], bytes]


def _plain(kind: type, most: int | None = None) -> tuple[_Check, _Coder]:
    """A field of one of the primitive types; ``most`` is the highest number that it may be."""
    shown = {bool: "boolean", str: "string", bytes: "binary"}.get(kind, kind.__name__.lower())

    def check(value: object) -> object:
        if type(value) is not kind:
            raise DecodeError(f"is no {shown}")
        if most is not None and isinstance(value, int) and value > most:
            raise InvalidField(f"is {value}, and may be at most {most}")
        return value

    return check, encoder_of(kind)


def _check_tag(value: object) -> object:
    if not isinstance(value, bytes):
        raise DecodeError("is no binary")
    if len(value) > TAG_MAX:
        raise InvalidField(f"has {len(value)} octets, and may have at most {TAG_MAX}")
    return value


def _check_symbols(value: object) -> object:
    if isinstance(value, kinds.Symbol):
        return [value]
    if isinstance(value, Array) and not value.descriptors:
        if value.kind is kinds.Symbol:
            return list(value.values) or None
        if not value.values or value.kind is type(None):
            # Some peers make an array of nothing for want of a value that would tell the type.
            return None
    raise DecodeError("is neither a symbol nor an array of symbols")


def _encode_symbols(value: object) -> bytes:
    assert isinstance(value, Sequence)
    symbols = [value] if isinstance(value, str) else value
    return encode(Array(kinds.Symbol, map(kinds.Symbol, symbols))) if symbols else b"\x40"


def _check_map(value: object) -> object:
    if not isinstance(value, dict):
        raise DecodeError("is no map")
    return value


def _check_fields(value: object) -> object:
    if not isinstance(value, dict):
        raise DecodeError("is no map")
    for key, entry in value.items():
        if not isinstance(key, str):
            raise DecodeError("has a key that is no symbol")
        if isinstance(entry, Described) and type_of(entry.descriptor) is not None:
            value[key] = as_composite(entry)
    return value


def _encode_fields(value: object) -> bytes:
    assert isinstance(value, Mapping)
    return encode({kinds.Symbol(key): entry for key, entry in value.items()})


def _check_annotations(value: object) -> object:
    if not isinstance(value, dict):
        raise DecodeError("is no map")
    if not all(isinstance(key, str | kinds.ULong) for key in value):
        raise DecodeError("has a key that is neither a symbol nor a ulong")
    return value


def _encode_annotations(value: object) -> bytes:
    """A map of annotations; keys of type str are encoded as symbols, those of type int as ulongs."""
    assert isinstance(value, Mapping)
    return encode(
        {kinds.Symbol(key) if isinstance(key, str) else kinds.ULong(key): entry for key, entry in value.items()}
    )


def _check_id(value: object) -> object:
    if type(value) not in _IDS:
        raise DecodeError("is no ulong, uuid, binary or string")
    return value


def _encode_id(value: object) -> bytes:
    return encode(kinds.ULong(value)) if isinstance(value, int) else encode(value)


def _same(value: object) -> object:
    return value


_EXACT: Final[dict[str, type]] = {
    "Boolean": bool,
    "Ubyte": kinds.UByte,
    "Ushort": kinds.UShort,
    "Uint": kinds.UInt,
    "Ulong": kinds.ULong,
    "Timestamp": kinds.Timestamp,
    "String": str,
    "Symbol": kinds.Symbol,
    "Binary": bytes,
}

_IDS: Final = frozenset({kinds.ULong, uuid.UUID, bytes, str})
_UNCHECKED: Final = {"MessageId": _IDS, **{name: frozenset({kind}) for name, kind in _EXACT.items()}}

_TYPES: Final[dict[str, tuple[_Check, _Coder]]] = {
    **{name: _plain(kind) for name, kind in _EXACT.items()},
    "SenderSettleMode": _plain(kinds.UByte, 2),
    "ReceiverSettleMode": _plain(kinds.UByte, 1),
    "SaslCode": _plain(kinds.UByte, 4),
    "Durability": _plain(kinds.UInt, 2),
    "DeliveryTag": (_check_tag, lambda value: encode(_check_tag(value))),
    "Symbols": (_check_symbols, _encode_symbols),
    "Fields": (_check_fields, _encode_fields),
    "Annotations": (_check_annotations, _encode_annotations),
    "AnyMap": (_check_map, encode),
    "MessageId": (_check_id, _encode_id),
    "AnyValue": (_same, encode),
}


def _composite_field(archetype: str) -> tuple[_Check, _Coder]:
    """A field whose value is a composite of that type, or of one that provides the archetype."""

    def check(value: object) -> object:
        if not isinstance(value, Described):
            raise DecodeError("has no descriptor")
        made = as_composite(value)
        if archetype not in made.PROVIDES:
            raise DecodeError(f"may not be {made.NAME}")
        return made

    def encode_field(value: object) -> bytes:
        if not isinstance(value, Composite) or archetype not in value.PROVIDES:
            raise EncodeError(f"a value of type {type(value).__name__} is no {archetype}")
        return encode_composite(value)

    return check, encode_field
