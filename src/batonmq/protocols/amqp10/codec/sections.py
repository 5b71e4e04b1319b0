"""Where the sections of a message are (part 3 §3.2), without decoding what is in them.

A message is what the payloads of a delivery's transfers are together: described values one after the other, in this
order, each of which may be absent:

    header, delivery-annotations, message-annotations       what those on the way add, or change
    properties, application-properties, body                the bare message, which nobody changes
    footer

The body is one or more sections of data (binary), or one or more sequences (lists), or one value of any type.

CPython 3.11: 1.1 us for a message of data alone, 2.4 us for one with header, properties and application properties
beside it. To decode a header takes 3.5 us, properties 5 us.
    python -m timeit -r 15 -s "import tests.protocols.amqp10.codec.test_sections as t;
    d = t.HEADER + t.PROPERTIES + t.APPLICATION + t.BODY" "t.Sections(d)"
"""

from __future__ import annotations

import struct
from typing import Final

from batonmq.protocols.amqp10.codec.composites import as_composite
from batonmq.protocols.amqp10.codec.decoding import decode, skip
from batonmq.protocols.amqp10.codec.kinds import DecodeError, Described, Symbol, ULong
from batonmq.protocols.amqp10.codec.performatives import Header, MessageProperties

# The numeric descriptors.
HEADER: Final = 0x70
DELIVERY_ANNOTATIONS: Final = 0x71
MESSAGE_ANNOTATIONS: Final = 0x72
PROPERTIES: Final = 0x73
APPLICATION_PROPERTIES: Final = 0x74
DATA: Final = 0x75
SEQUENCE: Final = 0x76
VALUE: Final = 0x77
FOOTER: Final = 0x78

NO_BODY: Final = 0
"""The kind of body of a message that has none. The specification has no such messages; some clients send them."""

_NAMES: Final[dict[str, int]] = {
    "amqp:header:list": HEADER,
    "amqp:delivery-annotations:map": DELIVERY_ANNOTATIONS,
    "amqp:message-annotations:map": MESSAGE_ANNOTATIONS,
    "amqp:properties:list": PROPERTIES,
    "amqp:application-properties:map": APPLICATION_PROPERTIES,
    "amqp:data:binary": DATA,
    "amqp:amqp-sequence:list": SEQUENCE,
    "amqp:amqp-value:*": VALUE,
    "amqp:footer:map": FOOTER,
}

_LISTS: Final = b"\x45\xc0\xd0"
_MAPS: Final = b"\xc1\xd1"
_BINARIES: Final = b"\xa0\xb0"
# The constructors that a section's value may have; a value's any.
_CONSTRUCTORS: Final[dict[int, bytes]] = {
    HEADER: _LISTS,
    DELIVERY_ANNOTATIONS: _MAPS,
    MESSAGE_ANNOTATIONS: _MAPS,
    PROPERTIES: _LISTS,
    APPLICATION_PROPERTIES: _MAPS,
    DATA: _BINARIES,
    SEQUENCE: _LISTS,
    FOOTER: _MAPS,
}

_u32 = struct.Struct(">I").unpack_from


class Sections:
    """Where the sections of one message are in ``data``.

    The places of header, annotations, properties and footer are those of their values, behind the descriptor: 0 where
    there is none. What they hold is decoded when it is asked for, and only then found to be malformed.
    """

    __slots__ = (
        "_pieces",
        "application_properties_at",
        "bare_at",
        "body_at",
        "body_kind",
        "body_stop",
        "data",
        "delivery_annotations_at",
        "end",
        "footer_at",
        "header_at",
        "kept_at",
        "message_annotations_at",
        "properties_at",
    )

    def __init__(self, data: bytes, at: int = 0, end: int | None = None) -> None:
        """The message that is from ``at`` to ``end``. Raises DecodeError."""
        self.data = data
        self.end = len(data) if end is None else end
        self.header_at = 0
        self.delivery_annotations_at = 0
        self.message_annotations_at = 0
        self.properties_at = 0
        self.application_properties_at = 0
        self.footer_at = 0
        self.body_kind = NO_BODY
        """DATA, SEQUENCE, VALUE or NO_BODY."""
        # Where the value of each section of the body is, behind its descriptor.
        self._pieces: list[int] = []
        self.kept_at = self.bare_at = self.body_at = self.body_stop = -1
        self._scan(at)

    def _scan(self, at: int) -> None:
        data = self.data
        end = self.end
        last = 0
        while at < end:
            code, value_at = _descriptor(data, at, end)
            if value_at >= end:
                raise DecodeError("a section ends in the middle")
            if code < last or (code == last and code not in (DATA, SEQUENCE)):
                raise DecodeError(f"the section 0x{code:x} may not stand behind the section 0x{last:x}")
            if code in (DATA, SEQUENCE, VALUE) and self.body_kind not in (NO_BODY, code):
                raise DecodeError("the body of a message has sections of different kinds")
            allowed = _CONSTRUCTORS.get(code)
            if allowed is not None and data[value_at] not in allowed:
                raise DecodeError(f"the section 0x{code:x} has a value of a wrong type")
            self._note(code, at, value_at)
            at = skip(data, value_at, end)
            last = code
        if self.kept_at < 0:
            self.kept_at = end
        if self.bare_at < 0:
            self.bare_at = end
        if self.body_at < 0:
            self.body_at = end
        if self.body_stop < 0:
            self.body_stop = end

    def _note(self, code: int, at: int, value_at: int) -> None:
        """A section: where its descriptor is and where its value."""
        if code >= MESSAGE_ANNOTATIONS and self.kept_at < 0:
            self.kept_at = at
        if code >= PROPERTIES and self.bare_at < 0:
            self.bare_at = at
        if code >= DATA and self.body_at < 0:
            self.body_at = at
        if code in (DATA, SEQUENCE, VALUE):
            self.body_kind = code
            self._pieces.append(value_at)
        elif code == PROPERTIES:
            self.properties_at = value_at
        elif code == APPLICATION_PROPERTIES:
            self.application_properties_at = value_at
        elif code == MESSAGE_ANNOTATIONS:
            self.message_annotations_at = value_at
        elif code == HEADER:
            self.header_at = value_at
        elif code == DELIVERY_ANNOTATIONS:
            self.delivery_annotations_at = value_at
        else:
            self.footer_at = value_at
            self.body_stop = at

    @property
    def body_value_at(self) -> int:
        """Where the value of the body's first section is, behind its descriptor, if there is a body."""
        return self._pieces[0]

    # ------------------------------------------------------------------ what is in them

    def header(self) -> Header | None:
        """Raises DecodeError."""
        return decode_header(self.data, self.header_at, self.end) if self.header_at else None

    def properties(self) -> MessageProperties | None:
        """Raises DecodeError."""
        return decode_properties(self.data, self.properties_at, self.end) if self.properties_at else None

    def delivery_annotations(self) -> dict[object, object]:
        """Raises DecodeError."""
        return self._map(self.delivery_annotations_at)

    def message_annotations(self) -> dict[object, object]:
        """By symbols, or ulongs. Raises DecodeError."""
        return self._map(self.message_annotations_at)

    def application_properties(self) -> dict[object, object]:
        """By strings. Raises DecodeError."""
        return self._map(self.application_properties_at)

    def footer(self) -> dict[object, object]:
        """Raises DecodeError."""
        return self._map(self.footer_at)

    def _map(self, at: int) -> dict[object, object]:
        if not at:
            return {}
        found, _ = decode(self.data, at, self.end)
        assert isinstance(found, dict)
        return found

    def data_extents(self) -> list[tuple[int, int]]:
        """Where the octets of each section of data are, without descriptor and length: from and to."""
        if self.body_kind != DATA:
            return []
        data = self.data
        found = []
        for at in self._pieces:
            if data[at] == 0xA0:
                start = at + 2
                found.append((start, start + data[at + 1]))
            else:
                start = at + 5
                found.append((start, start + _u32(data, at + 1)[0]))
        return found

    def body_values(self) -> list[object]:
        """The value of each section of the body: the binaries, the lists, or the one value. Raises DecodeError."""
        return [decode(self.data, at, self.end)[0] for at in self._pieces]


def _descriptor(data: bytes, at: int, end: int) -> tuple[int, int]:
    """The code of the section whose descriptor begins at ``at``, and where its value begins."""
    # A described value, a small ulong: what everybody sends.
    if data.startswith(b"\x00\x53", at):
        if at + 3 > end:
            raise DecodeError("a section ends in the middle")
        code: int | None = data[at + 2]
        at += 3
    else:
        if data[at]:
            raise DecodeError("a section of a message has no descriptor")
        descriptor, at = decode(data, at + 1, end)
        code = None
        if isinstance(descriptor, ULong):
            code = descriptor
        elif isinstance(descriptor, Symbol):
            code = _NAMES.get(descriptor)
    if code is None or not HEADER <= code <= FOOTER:
        raise DecodeError("a section of a message has a descriptor that none has")
    return code, at


def decode_header(data: bytes, at: int, end: int) -> Header:
    """The header whose list begins at ``at``. Raises DecodeError."""
    made = as_composite(Described(ULong(HEADER), decode(data, at, end)[0]))
    assert isinstance(made, Header)
    return made


def decode_properties(data: bytes, at: int, end: int) -> MessageProperties:
    """The properties whose list begins at ``at``. Raises DecodeError."""
    made = as_composite(Described(ULong(PROPERTIES), decode(data, at, end)[0]))
    assert isinstance(made, MessageProperties)
    return made
