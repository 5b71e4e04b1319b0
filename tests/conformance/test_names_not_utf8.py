"""Names that are not UTF-8, where they are not found: the error that any other name gets."""

from __future__ import annotations

import struct

import pytest

from batonmq.protocols.amqp091.method_codec import encode_method
from batonmq.protocols.amqp091.methods import METHODS
from tests.conftest import Connect
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


# Names as octets: short, as long as may be, with line ends and NULs.
VALUES = (b"q\xff", b"\xff" * 255, b"a\r\n\xff\nb\0")
# Those that end the connection or open it, and those of which only the content says anything.
APART = {"connection.start-ok", "connection.open", "connection.close", "connection.close-ok"}
# Methods are tried with names that are there, but for the one that is tried.
KNOWN = {"queue": "known", "exchange": "amq.topic", "source": "amq.topic", "destination": "amq.fanout"}

CASES = [
    (cls.INDEX, argument)
    for cls in METHODS.values()
    if cls.NAME not in APART and not cls.HAS_CONTENT
    for argument, kind in cls.LAYOUT
    if kind == "Shortstr"
]


@pytest.mark.parametrize(("index", "argument"), CASES, ids=[f"{METHODS[case[0]].NAME}-{case[1]}" for case in CASES])
@pytest.mark.parametrize("value", VALUES, ids=["short", "long", "lines"])
def test_every_short_string_of_every_method_is_answered(
    connect: Connect, index: int, argument: str, value: bytes
) -> None:
    """As done, or with an error that says why; nothing is taken for a fault of the broker's own."""
    cls = METHODS[index]
    given = {name: KNOWN[name] for name, _ in cls.LAYOUT if name in KNOWN}
    if cls.NAME == "exchange.declare":
        given["exchange"] = "e"
    given[argument] = value.decode(errors="surrogateescape")
    wire = connect()
    channel = wire.channel()
    channel.queue("known", durable=False)
    number = 0 if cls.NAME.startswith("connection.") else 1
    wire.send_frame(METHOD, number, encode_method(cls(**given)))
    wire.send_frame(METHOD, 2, method(20, 10, b"\0"))
    # Up to the answer on another channel, or to the end; as frames, since pamqp does not read such names.
    found: list[tuple[tuple[int, int], bytes]] = []
    while not found or found[-1][0] not in ((20, 11), (10, 50), (10, 51)):
        payload = wire.frame().payload
        class_id, method_id = struct.unpack_from(">HH", payload)
        found.append(((class_id, method_id), payload))
    closes = [payload for which, payload in found if which in ((10, 50), (20, 40))]
    codes = [struct.unpack_from(">H", payload, 4)[0] for payload in closes]
    assert codes in ([], [404], [406], [503], [504])
    for payload in closes:
        payload[7 : 7 + payload[6]].decode()


@pytest.mark.parametrize("value", VALUES[:2], ids=["short", "long"])
def test_a_virtual_host_is_not_there(wire: Wire, value: bytes) -> None:
    fresh = Wire(wire.amqp)
    fresh.greet()
    fresh.log_in()
    fresh.tune_ok()
    fresh.send_frame(METHOD, 0, method(10, 40, bytes([len(value)]) + value + b"\0\0"))
    with pytest.raises(ConnectionClosed) as closed:
        fresh.next()
    assert closed.value.code == 530
    fresh.close()
