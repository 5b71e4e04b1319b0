"""Whatever bytes come: the specification's error for who sent them, and nothing for anybody else."""

from __future__ import annotations

import contextlib
import random
import socket
import struct
import time
from collections.abc import Iterator

import pytest
from pamqp import commands as spec

from tests.conftest import Connect
from tests.support.codec import (
    BODY,
    HEADER,
    METHOD,
    encode_frame,
    encode_header,
    encode_method,
    short_string,
)
from tests.support.marks import differs_from
from tests.support.wire import PROTOCOL_HEADER, Channel, Closed, Dropped, Wire

HEADERS_FLAG = struct.pack(">H", spec.Basic.Properties.flags["headers"])


@pytest.fixture
def bystander(connect: Connect, name: str) -> Iterator[Channel]:
    """A connection at work, which must notice nothing."""
    ch = connect().channel()
    ch.queue(name + "-bystander", exclusive=True)
    ch.consume(name + "-bystander", no_ack=True)
    yield ch
    ch.publish(name + "-bystander", b"well")
    assert ch.message().body == b"well"


def nested(depth: int, letter: bytes) -> bytes:
    """A table with `depth` tables or arrays in each other."""
    value = b"V"
    for _ in range(depth):
        inner = short_string("k") + value if letter == b"F" else value
        value = letter + struct.pack(">I", len(inner)) + inner
    fields = short_string("k") + value
    return struct.pack(">I", len(fields)) + fields


def ends(wire: Wire) -> BaseException:
    """How the broker ended the connection."""
    deadline = time.monotonic() + wire.timeout
    while time.monotonic() < deadline:
        try:
            wire.next()
        except (Closed, Dropped) as end:
            return end
    raise AssertionError("the connection lives")


def hang_up(wire: Wire) -> None:
    """The client's half of the socket ends, so that the broker's half must."""
    with contextlib.suppress(OSError):
        wire.socket.shutdown(socket.SHUT_WR)


def publish_raw(wire: Wire, properties: bytes, body: bytes = b"") -> None:
    wire.send_frame(METHOD, 1, encode_method(spec.Basic.Publish(0, "", "nowhere")))
    wire.send_frame(HEADER, 1, encode_header(properties, len(body)))
    if body:
        wire.send_frame(BODY, 1, body)


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x00" * 8,
        b"\xff" * 100,
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"AMQP" + b"\xff" * 4,
        b"A" * 8,
        bytes(range(200)),
    ],
    ids=["zeros", "ones", "http", "version", "letters", "range"],
)
def test_garbage_instead_of_a_header_ends_the_connection(connect: Connect, bystander: Channel, garbage: bytes) -> None:
    del bystander
    wire = connect(opened=False)
    wire.send_bytes(garbage)
    assert wire.bytes_until_closed() in (PROTOCOL_HEADER, b"")


@pytest.mark.parametrize("garbage", [b"\xff" * 64, b"\x00" * 64, PROTOCOL_HEADER * 8, b"GET / HTTP/1.1\r\n\r\n" * 4])
def test_garbage_after_the_header_ends_the_connection(connect: Connect, bystander: Channel, garbage: bytes) -> None:
    del bystander
    wire = connect(opened=False)
    wire.greet()
    wire.send_bytes(garbage)
    ends(wire)


@pytest.mark.parametrize("garbage", [b"\xff" * 64, PROTOCOL_HEADER, b"\x09" * 64])
def test_garbage_after_open_ends_the_connection(wire: Wire, bystander: Channel, garbage: bytes) -> None:
    del bystander
    wire.send_bytes(garbage)
    ends(wire)


@pytest.mark.parametrize("seed", range(20))
def test_random_frames_end_the_connection_at_worst(connect: Connect, bystander: Channel, seed: int) -> None:
    """Frames that are whole, with methods and contents that are noise."""
    del bystander
    noise = random.Random(seed)
    wire = connect()
    wire.channel()
    for _ in range(30):
        payload = noise.randbytes(noise.randrange(60))
        if noise.random() < 0.7:
            payload = struct.pack(">HH", *noise.choice([(60, 40), (50, 10), (60, 20), (40, 10), (50, 20)])) + payload
        try:
            wire.send_frame(noise.choice([METHOD, METHOD, HEADER, BODY]), noise.choice([0, 1, 1, 2]), payload)
        except OSError:
            break
    hang_up(wire)
    assert isinstance(ends(wire), Closed | Dropped)


@pytest.mark.parametrize("seed", range(20))
def test_a_frame_with_flipped_bits_harms_nobody_else(
    connect: Connect, bystander: Channel, name: str, seed: int
) -> None:
    del bystander
    noise = random.Random(seed)
    wire = connect()
    wire.channel()
    method = encode_method(spec.Queue.Declare(0, name, False, False, True, True, False, {"x-max-length": 5, "a": [{}]}))
    frame = bytearray(encode_frame(METHOD, 1, method))
    for _ in range(noise.randrange(1, 5)):
        frame[noise.randrange(len(frame))] ^= 1 << noise.randrange(8)
    wire.send_bytes(bytes(frame))
    hang_up(wire)
    wire.bytes_until_closed()


@differs_from("rabbitmq 3.10", why="it drops the connection without a word")
@pytest.mark.parametrize(
    "table",
    [
        struct.pack(">I", 100) + b"\x01kV",
        struct.pack(">I", 3) + b"\x05kV",
        struct.pack(">I", 7) + b"\x01kS\x00\x00\xff\xff",
        struct.pack(">I", 3) + b"\x01kZ",
        struct.pack(">I", 4) + b"\x01kI\x00",
        struct.pack(">I", 8) + b"\x01kA\xff\xff\xff\xff\x00",
    ],
    ids=["too long", "key too long", "string too long", "unknown type", "value too short", "array too long"],
)
@pytest.mark.parametrize("place", ["arguments", "headers"])
def test_a_broken_table_closes_with_a_syntax_error(wire: Wire, bystander: Channel, table: bytes, place: str) -> None:
    del bystander
    wire.channel()
    if place == "arguments":
        wire.send_frame(METHOD, 1, encode_method(spec.Queue.Declare(0, "broken"))[:-4] + table)
    else:
        publish_raw(wire, HEADERS_FLAG + table)
    end = ends(wire)
    assert isinstance(end, Closed)
    assert end.code in (501, 502)


@pytest.mark.parametrize("letter", [b"F", b"A"], ids=["tables", "arrays"])
def test_nested_tables_are_taken(ch: Channel, letter: bytes) -> None:
    publish_raw(ch.wire, HEADERS_FLAG + nested(10, letter))
    ch.barrier()


@pytest.mark.parametrize("letter", [b"F", b"A"], ids=["tables", "arrays"])
@pytest.mark.parametrize("place", ["arguments", "headers"])
def test_deeply_nested_tables_harm_nobody_else(wire: Wire, bystander: Channel, letter: bytes, place: str) -> None:
    del bystander
    wire.channel()
    table = nested(15_000, letter)
    if place == "headers":
        publish_raw(wire, HEADERS_FLAG + table)
    else:
        wire.send_frame(METHOD, 1, encode_method(spec.Queue.Declare(0, "", exclusive=True))[:-4] + table)
    hang_up(wire)
    wire.bytes_until_closed()


@pytest.mark.parametrize(
    "text", [b"\xff\xfe", b"\xc3", b"\xed\xa0\x80", b"\x00"], ids=["ff", "cut", "surrogate", "nul"]
)
def test_a_routing_key_that_is_not_utf_8_harms_nobody_else(connect: Connect, bystander: Channel, text: bytes) -> None:
    del bystander
    wire = connect()
    ch = wire.channel()
    wire.send_frame(METHOD, 1, struct.pack(">HHH", 60, 40, 0) + short_string("amq.topic") + short_string(text) + b"\0")
    wire.send_frame(HEADER, 1, encode_header(None, 0))
    with contextlib.suppress(Closed, Dropped):
        ch.barrier()


@pytest.mark.parametrize("text", [b"\xff\xfe", b"\xc3"])
def test_a_queue_name_that_is_not_utf_8_harms_nobody_else(connect: Connect, bystander: Channel, text: bytes) -> None:
    del bystander
    wire = connect()
    ch = wire.channel()
    name = short_string(text + b"-bad-name")
    wire.send_frame(METHOD, 1, struct.pack(">HHH", 50, 10, 0) + name + b"\x0c" + struct.pack(">I", 0))
    hang_up(wire)
    wire.bytes_until_closed()
    del ch


@pytest.mark.parametrize("flags", [b"\xff\xff", b"\xff\xfc", b"\x00\x01\x00\x01\x00\x01"])
def test_property_flags_that_promise_too_much_end_the_connection(wire: Wire, bystander: Channel, flags: bytes) -> None:
    del bystander
    wire.channel()
    publish_raw(wire, flags)
    ends(wire)


def test_a_content_of_absurd_size_is_not_waited_for_in_memory(wire: Wire, bystander: Channel) -> None:
    del bystander
    ch = wire.channel()
    wire.send_frame(METHOD, 1, encode_method(spec.Basic.Publish(0, "", "nowhere")))
    wire.send_frame(HEADER, 1, encode_header(None, 2**63))
    hang_up(wire)
    assert isinstance(ends(wire), Closed | Dropped)
    del ch


def test_a_content_cut_off_by_the_end_of_its_connection_is_gone(connect: Connect, ch: Channel, name: str) -> None:
    ch.queue(name)
    wire = connect()
    wire.channel()
    wire.send_frame(METHOD, 1, encode_method(spec.Basic.Publish(0, "", name)))
    wire.send_frame(HEADER, 1, encode_header(None, 100))
    wire.send_frame(BODY, 1, b"half")
    wire.close()
    assert ch.count(name) == 0


def test_a_header_cut_short_ends_the_connection(wire: Wire, bystander: Channel) -> None:
    del bystander
    wire.channel()
    wire.send_frame(METHOD, 1, encode_method(spec.Basic.Publish(0, "", "nowhere")))
    wire.send_frame(HEADER, 1, b"\x00\x3c\x00\x00")
    ends(wire)


def test_a_connection_that_ends_within_a_frame_harms_nobody_else(connect: Connect, bystander: Channel) -> None:
    del bystander
    for cut in range(1, 12):
        wire = connect()
        wire.send_bytes(encode_frame(METHOD, 1, encode_method(spec.Channel.Open()))[:cut])
        wire.abort()


def test_many_connections_that_say_nothing_harm_nobody_else(connect: Connect, bystander: Channel) -> None:
    del bystander
    for _ in range(50):
        connect(opened=False)
    connect().channel()


def test_a_handshake_that_stalls_is_cut_off(connect: Connect) -> None:
    """After ten seconds, wherever it stalls; RabbitMQ's handshake_timeout."""
    silent, greeted, halfway, logged_in = (connect(opened=False) for _ in range(4))
    for wire in (greeted, halfway, logged_in):
        wire.greet()
    halfway.send_bytes(b"\x01\x00\x00\x00")
    logged_in.log_in()
    began = time.monotonic()
    for wire in (silent, greeted, halfway, logged_in):
        wire.bytes_until_closed()
    assert 5 < time.monotonic() - began < 30
