"""Finds the sections of a message (part 3 §3.2), without decoding their contents.

A message consists of the payloads of a delivery's transfers: described values, one after another, in this order, any of
which may be absent:

    header, delivery-annotations, message-annotations       added or changed by intermediaries
    properties, application-properties, body                the bare message, which is never changed
    footer

The body is one or more sections of data (binary), or one or more sequences (lists), or one value of any type.

CPython 3.11: 1.1 us for a message of data alone, 2.4 us for one with header, properties and application properties
beside it. A header like one before takes 0.8 us, properties 5 us.
    python -m timeit -r 15 -s "import tests.protocols.amqp10.codec.test_sections as t;
    d = t.HEADER + t.PROPERTIES + t.APPLICATION + t.BODY" "t.Sections(d)"
"""

from __future__ import annotations

import struct
from operator import itemgetter
from typing import Final

from batonmq.protocols.amqp10.codec.composites import as_composite
from batonmq.protocols.amqp10.codec.decoding import decode, decode_whole, skip
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
"""The kind of body of a message without one. The specification does not allow these; some clients send them."""

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
# The constructors that a section's value may have; that of an amqp-value any.
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
# Sections of which a body may have several.
_REPEATED: Final = (DATA, SEQUENCE)

_u32: Final = struct.Struct(">I").unpack_from


class Sections:
    """The places of the sections of one message in ``data``.

    The places of header, annotations, properties and footer are those of their values, after the descriptor; 0: there
    is none. Their contents are decoded on demand, and only then checked.
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
        self.body_kind = NO_BODY
        """DATA, SEQUENCE, VALUE or NO_BODY."""
        # Where the value of each section of the body is, behind its descriptor.
        self._pieces: list[int] = []
        self.kept_at = self.bare_at = self.body_at = self.body_stop = self.end
        try:
            places = self._scan(at, self.end)
        except (IndexError, struct.error):
            raise DecodeError("a section ends in the middle") from None
        self.header_at = places[0]
        self.delivery_annotations_at = places[1]
        self.message_annotations_at = places[2]
        self.properties_at = places[3]
        self.application_properties_at = places[4]
        self.footer_at = places[8]

    def _scan(self, at: int, end: int) -> list[int]:
        """Where the values of the sections are, by their codes from HEADER on.

        Raises DecodeError, IndexError, struct.error.
        """
        data = self.data
        places = [0] * 9
        last = 0
        kept = bare = -1
        while at < end:
            # A described value with a small ulong: the usual form.
            if data.startswith(b"\x00\x53", at):
                code = data[at + 2]
                value_at = at + 3
            else:
                code, value_at = _descriptor(data, at, end)
            constructor = data[value_at]
            if constructor not in _CONSTRUCTORS.get(code, b""):
                if code != VALUE:
                    raise DecodeError(_why_not(code))
                stop = skip(data, value_at, end)
            elif constructor >= 0xD0 or constructor == 0xB0:
                stop = value_at + 5 + _u32(data, value_at + 1)[0]
            elif constructor == 0x45:
                stop = value_at + 1
            else:
                stop = value_at + 2 + data[value_at + 1]
            if stop > end:
                raise DecodeError("a section ends in the middle")
            if code <= last and (code < last or code not in _REPEATED):
                raise DecodeError(f"the section 0x{code:x} may not stand behind the section 0x{last:x}")
            last = code
            places[code - HEADER] = value_at
            if code >= MESSAGE_ANNOTATIONS and kept < 0:
                self.kept_at = kept = at
            if code >= PROPERTIES and bare < 0:
                self.bare_at = bare = at
            if code >= DATA:
                self._note_body(code, at, value_at)
            at = stop
        return places

    def _note_body(self, code: int, at: int, value_at: int) -> None:
        """A section of the body, or the footer."""
        kind = self.body_kind
        if kind == NO_BODY:
            self.body_at = at
        if code == FOOTER:
            self.body_stop = at
        elif kind in (NO_BODY, code):
            self.body_kind = code
            self._pieces.append(value_at)
        else:
            raise DecodeError("the body of a message has sections of different kinds")

    @property
    def body_value_at(self) -> int:
        """Where the value of the body's first section is, behind its descriptor, if there is a body."""
        return self._pieces[0]

    # ------------------------------------------------------------------ contents

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


def in_order(data: bytes) -> bytes:
    """Put the sections of a message in order, if its sender did not. Raises DecodeError."""
    found: list[tuple[int, bytes]] = []
    at, end = 0, len(data)
    while at < end:
        code, value_at = _descriptor(data, at, end)
        if value_at >= end:
            raise DecodeError("a section ends in the middle")
        following = skip(data, value_at, end)
        found.append((code, data[at:following]))
        at = following
    # Sections of one kind keep their order.
    return b"".join([section for _, section in sorted(found, key=itemgetter(0))])


def _descriptor(data: bytes, at: int, end: int) -> tuple[int, int]:
    """The code of the section whose descriptor begins at ``at``, and where its value begins. Raises DecodeError."""
    if data[at]:
        raise DecodeError("a section of a message has no descriptor")
    descriptor, at = decode(data, at + 1, end)
    if isinstance(descriptor, Symbol):
        return _NAMES.get(descriptor, 0), at
    return (descriptor if isinstance(descriptor, ULong) else 0), at


def _why_not(code: int) -> str:
    if code in _CONSTRUCTORS:
        return f"the section 0x{code:x} has a value of a wrong type"
    return "a section of a message has a descriptor that none has"


# A cache of headers by their octets, up to a size: there are few, and they repeat.
_headers: Final[dict[bytes, Header]] = {}
HEADERS_MAX: Final = 256
HEADER_OCTETS_MAX: Final = 32


def decode_header(data: bytes, at: int, end: int) -> Header:
    """The header whose list begins at ``at``; it may be shared with other messages. Raises DecodeError."""
    raw = data[at : skip(data, at, end)]
    known = _headers.get(raw)
    if known is not None:
        return known
    made = as_composite(Described(ULong(HEADER), decode_whole(raw)))
    assert isinstance(made, Header)
    if len(raw) <= HEADER_OCTETS_MAX:
        if len(_headers) >= HEADERS_MAX:
            _headers.clear()
        _headers[raw] = made
    return made


def decode_properties(data: bytes, at: int, end: int) -> MessageProperties:
    """The properties whose list begins at ``at``. Raises DecodeError."""
    made = as_composite(Described(ULong(PROPERTIES), decode(data, at, end)[0]))
    assert isinstance(made, MessageProperties)
    return made
