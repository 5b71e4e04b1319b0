"""Reads and writes flows of the usual form (part 2 §2.7.4), of which some clients send one with every message.

Their fields are read in one pass: decoding them like any other performative takes twenty times as long.
"""

from __future__ import annotations

import struct
from typing import Final

from batonmq.protocols.amqp10.codec.composites import encode_composite
from batonmq.protocols.amqp10.codec.constants import FRAME_AMQP, FRAME_HEAD
from batonmq.protocols.amqp10.codec.performatives import Flow

MARK: Final = b"\x00\x53\x13\xc0"
"""The first octets of a flow's body if it may have the usual form."""
# The same with a long list, which some clients always write.
_LONG: Final = b"\x00\x53\x13\xd0"

# Fields: eight numbers, two booleans, and the properties, which no flow of this form has.
_NUMBERS: Final = 8
_FIELDS: Final = 10
# Those of a session may not be absent.
_INCOMING_WINDOW: Final = 1
_OUTGOING_WINDOW: Final = 3

_NULL: Final = 0x40
_ABSENT: Final = b"\x40"
_TRUE: Final = b"\x41"
_FALSE: Final = b"\x42"

_u32_u32: Final = struct.Struct(">II").unpack_from
_pack_head: Final = struct.Struct(">IBBH").pack
_pack_start: Final = struct.Struct(">IBBH4sBB").pack


def read_flow(data: bytes, at: int, stop: int) -> Flow | None:
    """The flow in ``data[at:stop]``; None: it has to be decoded like any other, and may be malformed."""
    count, at = _list_head(data, at, stop)
    if not _OUTGOING_WINDOW < count <= _FIELDS:
        return None
    numbers: list[int | None] = []
    flags: list[bool | None] = []
    while at < stop:
        code = data[at]
        at += 1
        if len(numbers) == _NUMBERS:
            if code == 0x41 or code == 0x42:
                flags.append(code == 0x41)
            elif code == _NULL:
                flags.append(None)
            else:
                return None
        elif code == 0x70:
            if at + 4 > stop:
                return None
            numbers.append(data[at] << 24 | data[at + 1] << 16 | data[at + 2] << 8 | data[at + 3])
            at += 4
        elif code == 0x52:
            if at == stop:
                return None
            numbers.append(data[at])
            at += 1
        elif code == 0x43:
            numbers.append(0)
        elif code == _NULL:
            numbers.append(None)
        else:
            return None
    if len(numbers) + len(flags) != count:
        return None
    numbers += [None] * (_NUMBERS - len(numbers))
    flags += [None] * (_FIELDS - _NUMBERS - len(flags))
    next_incoming_id, incoming_window, next_outgoing_id, outgoing_window, handle, delivery_count, credit, left = numbers
    if incoming_window is None or next_outgoing_id is None or outgoing_window is None:
        return None
    return Flow(
        next_incoming_id=next_incoming_id,
        incoming_window=incoming_window,
        next_outgoing_id=next_outgoing_id,
        outgoing_window=outgoing_window,
        handle=handle,
        delivery_count=delivery_count,
        link_credit=credit,
        available=left,
        drain=flags[0],
        echo=flags[1],
    )


def _list_head(data: bytes, at: int, stop: int) -> tuple[int, int]:
    """The number of fields of the flow in ``data[at:stop]``, and where they begin; 0: it has another form."""
    if data.startswith(MARK, at):
        if stop - at >= 6 and at + 5 + data[at + 4] == stop:
            return data[at + 5], at + 6
    elif data.startswith(_LONG, at) and stop - at >= 12:
        size, count = _u32_u32(data, at + 4)
        if at + 8 + size == stop:
            return count, at + 12
    return 0, at


def flow_frame(channel: int, flow: Flow) -> bytes:
    """A flow in its frame. Raises EncodeError."""
    parts: list[bytes] = []
    used = 0
    is_usual = flow.properties is None
    for number in (
        flow.next_incoming_id,
        flow.incoming_window,
        flow.next_outgoing_id,
        flow.outgoing_window,
        flow.handle,
        flow.delivery_count,
        flow.link_credit,
        flow.available,
    ):
        if number is None:
            parts.append(_ABSENT)
            continue
        if number == 0:
            parts.append(b"\x43")
        elif 0 < number < 256:
            parts.append(bytes((0x52, number)))
        elif 0 < number <= 0xFFFF_FFFF:
            parts.append(b"\x70" + number.to_bytes(4, "big"))
        else:
            is_usual = False
        used = len(parts)
    for flag in (flow.drain, flow.echo):
        parts.append(_ABSENT if flag is None else _TRUE if flag else _FALSE)
        if flag is not None:
            used = len(parts)
    if not is_usual or used <= _OUTGOING_WINDOW:
        body = encode_composite(flow)
        return _pack_head(FRAME_HEAD + len(body), 2, FRAME_AMQP, channel) + body
    del parts[used:]
    fields = b"".join(parts)
    size = len(fields) + 1
    return _pack_start(FRAME_HEAD + 5 + size, 2, FRAME_AMQP, channel, MARK, size, used) + fields
