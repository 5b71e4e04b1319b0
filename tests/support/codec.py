"""Bytes for the wire: pamqp's classes without the politeness of a client.

pamqp validates what it encodes and picks the narrowest integer; a broker has to be tried with what other clients send.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from pamqp import commands as spec, encode
from pamqp.base import Frame as Method
from pamqp.common import FieldTable

FRAME_END = 0xCE
METHOD, HEADER, BODY, HEARTBEAT = 1, 2, 3, 8

_FORMATS = {
    "t": ">?", "b": ">b", "B": ">B", "s": ">h", "u": ">H", "I": ">i", "i": ">I", "l": ">q", "L": ">q",
    "f": ">f", "d": ">d", "T": ">q", "V": ">",
}  # fmt: skip


class Typed(NamedTuple):
    """A field value whose type on the wire is chosen: the tag of AMQP 0-9-1's errata, and the bytes after it."""

    tag: str
    data: bytes


def typed(tag: str, *values: float | bytes) -> Typed:
    if tag in "Sx":
        (text,) = values
        assert isinstance(text, bytes)
        return Typed(tag, struct.pack(">I", len(text)) + text)
    if tag == "D":
        return Typed(tag, struct.pack(">Bi", *values))
    return Typed(tag, struct.pack(_FORMATS[tag], *values))


def encode_value(value: object) -> bytes:
    if isinstance(value, Typed):
        return value.tag.encode() + value.data
    if isinstance(value, dict):
        return b"F" + encode_table(value)
    if isinstance(value, list):
        items = b"".join(map(encode_value, value))
        return b"A" + struct.pack(">I", len(items)) + items
    return encode.encode_table_value(value)  # type: ignore[arg-type]


def short_string(text: str | bytes) -> bytes:
    data = text.encode() if isinstance(text, str) else text
    return bytes([len(data)]) + data


def encode_table(table: object) -> bytes:
    assert isinstance(table, dict)
    fields = b"".join(short_string(key) + encode_value(value) for key, value in table.items())
    return struct.pack(">I", len(fields)) + fields


def _no_validation(_: Method) -> None:
    """In place of pamqp's, which refuses what a broker must be able to refuse."""


for _method in spec.INDEX_MAPPING.values():
    _method.validate = _no_validation  # type: ignore[attr-defined]


def encode_method(method: Method) -> bytes:
    """The payload of a method frame. An `arguments` table is always the last field of its method."""
    arguments: FieldTable | None = None
    if "arguments" in method.attributes():
        arguments, method.arguments = getattr(method, "arguments", None), {}  # type: ignore[attr-defined]
    payload = struct.pack(">I", method.index) + method.marshal()
    if arguments:
        payload = payload[:-4] + encode_table(arguments)
        method.arguments = arguments  # type: ignore[attr-defined]
    return payload


def encode_properties(properties: spec.Basic.Properties) -> bytes:
    """Flags and values; None is absent, an empty string is present."""
    flags, parts = 0, []
    for name in spec.Basic.Properties.attributes():
        value = getattr(properties, name)
        if value is None or (name == "cluster_id" and not value):
            continue
        flags |= spec.Basic.Properties.flags[name]
        parts.append(encode_table(value) if name == "headers" else properties.encode_property(name, value))
    return struct.pack(">H", flags) + b"".join(parts)


def encode_header(properties: spec.Basic.Properties | bytes | None, size: int, class_id: int = 60) -> bytes:
    if not isinstance(properties, bytes):
        properties = encode_properties(properties) if properties is not None else b"\0\0"
    return struct.pack(">HHQ", class_id, 0, size) + properties


def encode_frame(kind: int, channel: int, payload: bytes, end: int = FRAME_END) -> bytes:
    return struct.pack(">BHI", kind, channel, len(payload)) + payload + bytes([end])
