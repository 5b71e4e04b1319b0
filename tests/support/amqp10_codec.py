"""AMQP 1.0 on the wire, written from the specification alone: what a stranger to the broker would encode and expect.

It encodes wrong things as readily as right ones: a value that stands in ``Raw`` goes out as it is.
"""

from __future__ import annotations

import struct
import uuid
from dataclasses import dataclass

AMQP, SASL = 0, 1
FRAME_HEAD = 8


class Raw(bytes):
    """A value already encoded, constructor and all."""


class Sym(str):
    """A symbol."""

    __slots__ = ()


@dataclass(frozen=True)
class Described:
    """A described value."""

    descriptor: object
    value: object

    @property
    def fields(self) -> list[object]:
        """Of a composite."""
        assert isinstance(self.value, list)
        return self.value


# The fields of each composite type, in the order of the specification.
FIELDS = {
    "open": (
        "container_id hostname max_frame_size channel_max idle_time_out outgoing_locales incoming_locales "
        "offered_capabilities desired_capabilities properties"
    ),
    "begin": (
        "remote_channel next_outgoing_id incoming_window outgoing_window handle_max offered_capabilities "
        "desired_capabilities properties"
    ),
    "attach": (
        "name handle role snd_settle_mode rcv_settle_mode source target unsettled incomplete_unsettled "
        "initial_delivery_count max_message_size offered_capabilities desired_capabilities properties"
    ),
    "flow": (
        "next_incoming_id incoming_window next_outgoing_id outgoing_window handle delivery_count link_credit available "
        "drain echo properties"
    ),
    "transfer": (
        "handle delivery_id delivery_tag message_format settled more rcv_settle_mode state resume aborted batchable"
    ),
    "disposition": "role first last settled state batchable",
    "detach": "handle closed error",
    "end": "error",
    "close": "error",
    "error": "condition description info",
    "source": (
        "address durable expiry_policy timeout dynamic dynamic_node_properties distribution_mode filter "
        "default_outcome outcomes capabilities"
    ),
    "target": "address durable expiry_policy timeout dynamic dynamic_node_properties capabilities",
    "coordinator": "capabilities",
    "accepted": "",
    "rejected": "error",
    "released": "",
    "modified": "delivery_failed undeliverable_here message_annotations",
    "received": "section_number section_offset",
    "declare": "global_id",
    "discharge": "txn_id fail",
    "declared": "txn_id",
    "transactional_state": "txn_id outcome",
    "mechanisms": "sasl_server_mechanisms",
    "init": "mechanism initial_response hostname",
    "outcome": "code additional_data",
    "header": "durable priority ttl first_acquirer delivery_count",
}
CODES = {
    "open": 0x10,
    "begin": 0x11,
    "attach": 0x12,
    "flow": 0x13,
    "transfer": 0x14,
    "disposition": 0x15,
    "detach": 0x16,
    "end": 0x17,
    "close": 0x18,
    "error": 0x1D,
    "received": 0x23,
    "accepted": 0x24,
    "rejected": 0x25,
    "released": 0x26,
    "modified": 0x27,
    "source": 0x28,
    "target": 0x29,
    "coordinator": 0x30,
    "declare": 0x31,
    "discharge": 0x32,
    "declared": 0x33,
    "transactional_state": 0x34,
    "mechanisms": 0x40,
    "init": 0x41,
    "outcome": 0x44,
    "header": 0x70,
}
NAMES = {code: name for name, code in CODES.items()}


class Composite:
    """A composite value that came: its name, and its fields as attributes; absent ones are None."""

    def __init__(self, name: str, values: list[object]) -> None:
        self.name = name
        self.values = dict(zip(FIELDS[name].split(), values, strict=False))
        assert len(values) <= len(FIELDS[name].split()), f"{name} has more fields than it may"

    def __getitem__(self, field: str) -> object:
        assert field in FIELDS[self.name].split(), f"{self.name} has no field {field}"
        return self.values.get(field)

    def number(self, field: str, otherwise: int | None = None) -> int:
        """A field that must be a number, or this where it is absent."""
        value = self[field]
        if value is None and otherwise is not None:
            return otherwise
        assert isinstance(value, int), f"{self.name}.{field} is {value!r}"
        return value

    def part(self, field: str) -> Composite:
        """A field that must be a composite."""
        value = self[field]
        assert isinstance(value, Composite), f"{self.name}.{field} is {value!r}"
        return value

    def __repr__(self) -> str:
        return f"{self.name}{ {key: value for key, value in self.values.items() if value is not None} }"


# Encoding


def ubyte(number: int) -> Raw:
    return Raw(b"\x50" + bytes((number,)))


def ushort(number: int) -> Raw:
    return Raw(b"\x60" + struct.pack(">H", number))


def uint(number: int) -> Raw:
    return Raw(b"\x70" + struct.pack(">I", number))


def ulong(number: int) -> Raw:
    return Raw(b"\x80" + struct.pack(">Q", number))


def described(code: int | str, value: object) -> Raw:
    """A described value, its descriptor a number or a symbol."""
    descriptor = Raw(b"\x53" + bytes((code,))) if isinstance(code, int) else encode(Sym(code))
    return Raw(b"\x00" + descriptor + encode(value))


def composite(name: str, /, **fields: object) -> Raw:
    """A composite type with these fields; the rest is null, or left out at the end."""
    names = FIELDS[name].split()
    assert set(fields) <= set(names), fields
    last = max((names.index(field) + 1 for field in fields), default=0)
    return described(CODES[name], [fields.get(field) for field in names[:last]])


def symbols(*names: str) -> Raw:
    """An array of symbols."""
    items = b"".join(bytes((len(name),)) + name.encode() for name in names)
    return Raw(b"\xe0" + bytes((len(items) + 2, len(names))) + b"\xa3" + items)


def encode(value: object) -> Raw:
    """Python's values; a plain int is a uint, as most in the protocol are."""
    if isinstance(value, Raw):
        return value
    if value is None:
        return Raw(b"\x40")
    if isinstance(value, bool):
        return Raw(b"\x41" if value else b"\x42")
    if isinstance(value, int):
        return uint(value)
    if isinstance(value, bytes):
        return _sized(0xA0, value)
    if isinstance(value, str):
        return _sized(0xA3 if isinstance(value, Sym) else 0xA1, value.encode())
    if isinstance(value, dict):
        items = [each for pair in value.items() for each in pair]
        return _compound(0xD1, items)
    assert isinstance(value, list), value
    return _compound(0xD0, value)


def _sized(code: int, data: bytes) -> Raw:
    if len(data) < 256:
        return Raw(bytes((code, len(data))) + data)
    return Raw(bytes((code + 0x10,)) + struct.pack(">I", len(data)) + data)


def _compound(code: int, items: list[object]) -> Raw:
    data = b"".join(map(encode, items))
    return Raw(bytes((code,)) + struct.pack(">II", len(data) + 4, len(items)) + data)


def frame(body: bytes, channel: int = 0, kind: int = AMQP, *, doff: int = 2, extra: bytes = b"") -> bytes:
    """A frame, with `extra` as its extended header."""
    return struct.pack(">IBBH", FRAME_HEAD + len(extra) + len(body), doff, kind, channel) + extra + body


# Sections of a message


def data(body: bytes) -> Raw:
    return described(0x75, body)


def message(body: bytes = b"x", /, **header: object) -> bytes:
    """A message with one data section, and a header if it has fields."""
    return (composite("header", **header) if header else b"") + data(body)


# Decoding


def decode(buffer: bytes, at: int = 0) -> tuple[object, int]:
    """One value, and where the next begins. AssertionError or struct.error when it is none."""
    code = buffer[at]
    at += 1
    if code == 0:
        descriptor, at = decode(buffer, at)
        value, at = decode(buffer, at)
        name = NAMES.get(descriptor) if isinstance(descriptor, int) else None
        if name is not None and isinstance(value, list):
            return Composite(name, value), at
        return Described(descriptor, value), at
    width = code >> 4
    if width < 0xA:
        size = {4: 0, 5: 1, 6: 2, 7: 4, 8: 8, 9: 16}[width]
        return _fixed(code, buffer[at : at + size]), at + size
    head = ">B" if width % 2 == 0 else ">I"
    (size,) = struct.unpack_from(head, buffer, at)
    at += struct.calcsize(head)
    end = at + size
    assert end <= len(buffer), "a value longer than its frame"
    body = buffer[at:end]
    if width in (0xA, 0xB):
        kind = code & 0xF
        assert kind in (0, 1, 3), hex(code)
        return (body if kind == 0 else body.decode() if kind == 1 else Sym(body.decode("ascii"))), end
    (count,) = struct.unpack_from(head, buffer, at)
    at += struct.calcsize(head)
    items: list[object] = []
    if width in (0xE, 0xF):
        constructor = buffer[at : at + 1]
        assert constructor != b"\0", "an array of described values"
        at += 1
        for _ in range(count):
            # Decode each as if its constructor stood before it.
            value, after = decode(constructor + buffer[at:end])
            items.append(value)
            at += after - 1
        assert at == end, "an array of another size"
        return tuple(items), end
    for _ in range(count):
        value, at = decode(buffer, at)
        items.append(value)
    assert at == end, "a compound of another size"
    return dict(zip(items[::2], items[1::2], strict=True)) if code & 0xF == 1 else items, end


def _fixed(code: int, body: bytes) -> object:
    constants: dict[int, object] = {0x40: None, 0x41: True, 0x42: False, 0x43: 0, 0x44: 0, 0x45: []}
    if code in constants:
        return constants[code]
    if code == 0x98:
        return uuid.UUID(bytes=body)
    if code in (0x72, 0x82):
        return struct.unpack(">f" if code == 0x72 else ">d", body)[0]
    if code == 0x56:
        return body != b"\0"
    signed = code in (0x51, 0x54, 0x55, 0x61, 0x71, 0x81, 0x83)
    return int.from_bytes(body, "big", signed=signed)


def sections(payload: bytes) -> list[tuple[int, object, bytes]]:
    """A message's sections: the code of each, its value, its bytes."""
    found: list[tuple[int, object, bytes]] = []
    at = 0
    while at < len(payload):
        value, after = decode(payload, at)
        code = CODES[value.name] if isinstance(value, Composite) else None
        if isinstance(value, Described):
            assert isinstance(value.descriptor, int), value
            code, value = value.descriptor, value.value
        assert code is not None
        found.append((code, value, payload[at:after]))
        at = after
    return found
