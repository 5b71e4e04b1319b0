"""Names that are not UTF-8, where they are not found: the error that any other name gets."""

from __future__ import annotations

import struct

import pytest

from tests.support.codec import METHOD
from tests.support.wire import Channel, ChannelClosed, ConnectionClosed, Wire

BAD = b"\x03q\xffq"
LONG = b"\xff" + b"\xff" * 255
TABLE = bytes(4)
TICKET = bytes(2)


def method(class_id: int, method_id: int, arguments: bytes) -> bytes:
    return struct.pack(">HH", class_id, method_id) + arguments


@pytest.mark.parametrize("name", [BAD, LONG], ids=["short", "long"])
@pytest.mark.parametrize(
    ("index", "before", "after", "code"),
    [
        ((50, 10), TICKET, b"\x01" + TABLE, 404),
        ((50, 30), TICKET, b"\x00", 404),
        ((50, 20), TICKET, b"\x0aamq.direct\x01k\x00" + TABLE, 404),
        ((40, 10), TICKET, b"\x06direct\x01" + TABLE, 404),
        ((60, 20), TICKET, b"\x00\x00" + TABLE, 404),
        ((60, 70), TICKET, b"\x00", 404),
        ((40, 30), TICKET, b"\x0aamq.direct\x01k\x00" + TABLE, 404),
    ],
    ids=["declare", "purge", "bind", "exchange", "consume", "get", "exchange-bind"],
)
def test_it_is_not_found(
    ch: Channel, index: tuple[int, int], before: bytes, after: bytes, code: int, name: bytes
) -> None:
    ch.wire.send_frame(METHOD, ch.number, method(*index, before + name + after))
    with pytest.raises(ChannelClosed) as closed:
        ch.next()
    assert closed.value.code == code
    assert len(closed.value.text.encode()) <= 255


def test_a_mechanism_is_unknown(wire: Wire) -> None:
    wire.close()
    fresh = Wire(wire.amqp)
    fresh.greet()
    fresh.send_frame(METHOD, 0, method(10, 11, TABLE + BAD + bytes(4) + b"\x05en_US"))
    with pytest.raises(ConnectionClosed) as closed:
        fresh.next()
    assert closed.value.code == 503
    fresh.close()
