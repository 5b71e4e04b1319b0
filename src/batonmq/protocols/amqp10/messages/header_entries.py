"""Entries of a table of AMQP 0-9-1 as application properties and annotations, from octets to octets.

`templates` gives the same result, and also handles headers with a special meaning. CPython 3.11: 1 us for each.
"""

from __future__ import annotations

from typing import Final

from batonmq.field_decoding import decode_table
from batonmq.protocols.amqp10.codec.encoding import encode
from batonmq.protocols.amqp10.messages.deaths import DEATH_HEADER
from batonmq.protocols.amqp10.messages.field_values import from_field
from batonmq.protocols.amqp10.messages.tables import CARBON_COPIES, GROUP, GROUP_SEQUENCE, IN_MILLISECONDS
from batonmq.protocols.amqp10.messages.templates import HELD, TEXT, TEXT_MARK

__all__ = ["HeaderEntries"]


def _named(name: str) -> bytes:
    return b"%c%b" % (len(name), name.encode())


# The headers that `templates` has to handle.
_SPECIAL: Final = frozenset(
    _named(name)
    for name in (
        *HELD,
        CARBON_COPIES,
        DEATH_HEADER,
        GROUP,
        GROUP_SEQUENCE,
        "x-group",
        "x-exchange",
        "x-routing-key",
    )
)
_SPECIAL_STARTS: Final = (b"x-basic-", b"x-header-")
_TEXT_MARK: Final = _named(TEXT_MARK)
_IN_MILLISECONDS: Final = _named(IN_MILLISECONDS)
_ARRAY: Final = 0x41
_TABLE: Final = 0x46
_COMPOUND: Final = (_ARRAY, _TABLE)
_LONGLONG: Final = 0x6C
_INT: Final = 0x49
_BOOLEAN: Final = 0x74
_TEXT: Final = 0x53
_VOID: Final = 0x56
_DOUBLE: Final = 0x64
# Constructors of AMQP 1.0.
_SMALL_INT: Final = 0x54
_BYTE: Final = 0x51
_LONG: Final = 0x81

# The widths of types that have to be decoded, by the octet of the type; -1: four octets hold the length.
_WIDTHS: Final[dict[int, int]] = {
    _ARRAY: -1,
    _TABLE: -1,
    0x78: -1,
    0x42: 1,
    0x62: 1,
    0x73: 2,
    0x75: 2,
    0x69: 4,
    0x66: 4,
    0x44: 5,
    0x4C: 8,
    0x54: 8,
}

# A value this short cannot be nested too deep.
_NESTED_BYTES: Final = 256

# Publishers have few values of rare types: by their octets, with the type.
_rare: dict[bytes, bytes] = {}
_RARE_BYTES: Final = 64
_RARE_ENTRIES: Final = 1024


class HeaderEntries:
    """The entries of one table, in AMQP 1.0's form."""

    __slots__ = ("annotation_count", "annotations", "application", "application_count", "is_text", "moment")

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Reset everything, as for a message without a table."""
        self.annotations = self.application = b""
        self.annotation_count = self.application_count = 0
        self.is_text = False
        """Is the message marked as text?"""
        self.moment = b""
        """The octets of a time in milliseconds, which the creation-time may be."""

    def read(self, raw: bytes, at: int, stop: int) -> bool:
        """Read a table, given without its length; False: it cannot be read here. Raises FieldError, IndexError."""
        self.clear()
        annotations: dict[bytes, bytes] = {}
        application: dict[bytes, bytes] = {}
        count = 0
        while at < stop:
            start = at
            at += 1 + raw[at]
            name = raw[start:at]
            kind = raw[at]
            end = at + 5
            if kind == _TEXT:
                octets = raw[at + 1 : end]
                at = end
                end += int.from_bytes(octets, "big")
                text = raw[at:end]
                if not text.isascii() and not _is_unicode(text):
                    return False
                value = b"\xa1" + raw[at - 1 : end] if end - at <= 255 else b"\xb1" + octets + text
            elif kind == _INT:
                octets = raw[at + 1 : end]
                value = _int(octets)
            elif kind == _VOID:
                value = b"\x40"
                end = at + 1
            elif kind == _BOOLEAN:
                end = at + 2
                value = b"\x41" if raw[at + 1] else b"\x42"
            elif kind == _LONGLONG:
                end = at + 9
                value = _long(raw[at + 1 : end])
            elif kind == _DOUBLE:
                end = at + 9
                value = b"\x82" + raw[at + 1 : end]
            else:
                end = _end_of_rare(raw, at, kind)
                if not at < end <= stop:
                    return False
                value = _rare_value(raw[at:end])
            if name in _SPECIAL or not name.isascii() or end > stop:
                return False
            count += 1
            if name.startswith(b"x-", 1) or kind in _COMPOUND or name == _IN_MILLISECONDS:
                if not self._keep_other(name, kind, value, annotations):
                    return False
            else:
                application[name] = b"\xa1" + name + value
            at = end
        self.annotation_count = len(annotations)
        self.application_count = len(application)
        # Repeated names, of which the last counts, are rare, and left to `templates`.
        if count != len(annotations) + len(application) + bool(self.moment):
            return False
        self.annotations = b"".join(annotations.values())
        self.application = b"".join(application.values())
        return True

    def _keep_other(self, name: bytes, kind: int, value: bytes, annotations: dict[bytes, bytes]) -> bool:
        """Keep a header that is not an application property; False: it cannot be read here."""
        if name == _TEXT_MARK:
            # A number of one octet it is elsewhere.
            if value[0] != _SMALL_INT and value[0] != _BYTE:
                return False
            annotations[name] = b"\xa3%b\x51%b" % (name, value[1:])
            self.is_text = value[1] == TEXT
        elif name.startswith(_SPECIAL_STARTS, 1):
            return False
        elif name.startswith(b"x-", 1):
            annotations[name] = b"\xa3" + name + value
        elif kind in _COMPOUND:
            annotations[name] = b"\xa3%cx-header-%b%b" % (len(name) + 8, name[1:], value)
        elif kind == _LONGLONG:
            # In full where it is a time.
            if value[0] != _LONG or self.moment:
                return False
            self.moment = value[1:]
        else:
            return False
        return True


def _is_unicode(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


def _int(octets: bytes) -> bytes:
    if octets[0] in (0, 255):
        number = int.from_bytes(octets, "big", signed=True)
        if -128 <= number <= 127:
            return b"\x54" + octets[3:]
    return b"\x71" + octets


def _long(octets: bytes) -> bytes:
    if octets[0] in (0, 255):
        number = int.from_bytes(octets, "big", signed=True)
        if -128 <= number <= 127:
            return b"\x55" + octets[7:]
    return b"\x81" + octets


def _end_of_rare(raw: bytes, at: int, kind: int) -> int:
    """Where the value whose type is at ``at`` ends; 0: it cannot be read here."""
    width = _WIDTHS.get(kind)
    if width is None:
        return 0
    if width < 0:
        size = int.from_bytes(raw[at + 1 : at + 5], "big")
        return at + 5 + size if size <= _NESTED_BYTES else 0
    return at + 1 + width


def _rare_value(raw: bytes) -> bytes:
    """Convert a value, given with its type. Raises FieldError."""
    found = _rare.get(raw)
    if found is None:
        table, _ = decode_table(b"%b\x00%b" % ((len(raw) + 1).to_bytes(4, "big"), raw), 0, len(raw) + 5)
        found = encode(from_field(table[""]))
        if len(raw) <= _RARE_BYTES:
            if len(_rare) >= _RARE_ENTRIES:
                _rare.clear()
            _rare[raw] = found
    return found
