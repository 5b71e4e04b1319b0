"""Encodes and decodes methods of AMQP 0-9-1 by the table in `methods` (sections 4.2.4 and 4.2.5).

It processes a method field by field. Methods that occur once per message have faster code in `parser` and `encoder`.
"""

from __future__ import annotations

import struct
from typing import Final

from batonmq.field_decoding import decode_table
from batonmq.field_encoding import encode_name, encode_table
from batonmq.fields import NAME_MAX, FieldError
from batonmq.protocols.amqp091.constants import FRAME_ERROR, SYNTAX_ERROR
from batonmq.protocols.amqp091.methods import METHODS, Method

__all__ = ["FrameSyntaxError", "UnknownMethod", "decode_method", "encode_method", "encode_shortstr"]


class UnknownMethod(ValueError):
    """No method has this class and method id."""

    def __init__(self, index: int) -> None:
        super().__init__(f"unknown method {index >> 16},{index & 0xFFFF}")
        self.index = index


class FrameSyntaxError(ValueError):
    """A method's fields break their format.

    ``code`` is the reply code: 501 when they are too short or too long for their frame, 502 when a table is malformed.
    """

    def __init__(self, text: str, index: int, code: int) -> None:
        super().__init__(text)
        self.index = index
        self.code = code


_INTEGERS: Final = {
    "Octet": struct.Struct(">B"),
    "Short": struct.Struct(">H"),
    "Long": struct.Struct(">I"),
    "Longlong": struct.Struct(">Q"),
}
_LONG: Final = _INTEGERS["Long"]


def encode_shortstr(text: str) -> bytes:
    """A short string with its octet of length. Raises FieldError above 255 octets."""
    data = encode_name(text)
    if len(data) > NAME_MAX:
        raise FieldError(f"a short string is longer than {NAME_MAX} octets: {text[:32]!r}...")
    return bytes((len(data),)) + data


def encode_method(method: Method) -> bytes:
    """The payload of a method frame: index and fields. Raises FieldError where a value does not fit."""
    parts = [_LONG.pack(method.INDEX)]
    bits = position = 0
    for name, kind in method.LAYOUT:
        value = getattr(method, name)
        if kind == "Bit":
            bits |= bool(value) << position
            position += 1
            continue
        if position:
            parts.append(bytes((bits,)))
            bits = position = 0
        if kind == "Shortstr":
            parts.append(encode_shortstr(value))
        elif kind == "Longstr":
            parts += (_LONG.pack(len(value)), value)
        elif kind == "Table":
            parts.append(encode_table(value))
        else:
            try:
                parts.append(_INTEGERS[kind].pack(value))
            except struct.error:
                raise FieldError(f"{name} of {method.NAME} is out of range: {value!r}") from None
    if position:
        parts.append(bytes((bits,)))
    return b"".join(parts)


def decode_method(payload: bytes) -> Method:
    """The method in the payload of a method frame.

    Raises UnknownMethod, and FrameSyntaxError for fields that are too short, malformed or followed by more.
    """
    if len(payload) < 4:
        raise FrameSyntaxError("a method frame is too short", 0, FRAME_ERROR)
    index: int = _LONG.unpack_from(payload)[0]
    cls = METHODS.get(index)
    if cls is None:
        raise UnknownMethod(index)
    made = cls()
    try:
        end = _decode_fields(made, payload)
    except (struct.error, IndexError):
        raise FrameSyntaxError(f"{cls.NAME} is truncated", index, FRAME_ERROR) from None
    except FieldError as error:
        raise FrameSyntaxError(f"{cls.NAME}: {error}", index, SYNTAX_ERROR) from None
    if end != len(payload):
        fault = "is truncated" if end > len(payload) else f"is followed by {len(payload) - end} octets"
        raise FrameSyntaxError(f"{cls.NAME} {fault}", index, FRAME_ERROR)
    return made


def _decode_fields(made: Method, payload: bytes) -> int:
    """Set the fields from a payload; return where they end, which may be beyond it."""
    at = 4
    position = 0
    for name, kind in made.LAYOUT:
        value: object
        if kind == "Bit":
            value = bool(payload[at] >> position & 1)
            position += 1
            setattr(made, name, value)
            continue
        if position:
            at += 1
            position = 0
        if kind == "Shortstr":
            start = at + 1
            at = start + payload[at]
            value = payload[start:at].decode(errors="surrogateescape")
        elif kind == "Longstr":
            start = at + 4
            at = start + _LONG.unpack_from(payload, at)[0]
            value = payload[start:at]
        elif kind == "Table":
            value, at = decode_table(payload, at, len(payload))
        else:
            integer = _INTEGERS[kind]
            value = integer.unpack_from(payload, at)[0]
            at += integer.size
        setattr(made, name, value)
    return at + (position > 0)
