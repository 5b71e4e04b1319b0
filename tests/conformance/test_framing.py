"""AMQP 0-9-1 section 4.2: frames, and what ends a connection that breaks their rules."""

from __future__ import annotations

import re
import struct

import pytest
from pamqp import commands as spec

from tests.conftest import Connect
from tests.support.codec import BODY, HEADER, HEARTBEAT, METHOD, encode_frame, encode_header, encode_method
from tests.support.marks import differs_from
from tests.support.wire import Channel, ConnectionClosed, Wire, connection_error

FRAME_ERROR = re.compile(r"^FRAME_ERROR - ")
UNEXPECTED = "UNEXPECTED_FRAME - "
PUBLISH = encode_method(spec.Basic.Publish(0, "", "nowhere"))


def test_a_frame_above_frame_max_is_a_frame_error(wire: Wire) -> None:
    wire.channel()
    with connection_error(501, re.compile(r"^FRAME_ERROR - type 3, all octets = <<>>: \{frame_too_large,")):
        wire.send_frame(BODY, 1, bytes(131073))
        wire.next()


def test_a_frame_of_exactly_frame_max_is_taken(ch: Channel, name: str) -> None:
    ch.queue(name)
    ch.publish(name, bytes(131072 - 8))
    assert ch.await_one(name).size == 131072 - 8


def test_a_content_header_of_exactly_frame_max_is_taken(ch: Channel, name: str) -> None:
    ch.queue(name)
    fixed = len(encode_header(spec.Basic.Properties(headers={"h": ""}), 0)) + 8
    ch.publish(name, headers={"h": "x" * (131072 - fixed)})
    assert len(ch.await_one(name).header) == 131072 - 8


def test_before_tune_ok_frames_are_small(connect: Connect) -> None:
    wire = connect(opened=False)
    wire.greet()
    wire.send_bytes(struct.pack(">BHI", METHOD, 0, 200_000) + bytes(200_000))
    assert b"AMQP" not in wire.bytes_until_closed()


def test_a_wrong_frame_end_is_a_frame_error(wire: Wire) -> None:
    with connection_error(501, FRAME_ERROR):
        wire.send_frame(METHOD, 1, encode_method(spec.Channel.Open()), end=0xCD)
        wire.next()


@pytest.mark.parametrize("kind", [0, 4, 5, 9, 255])
def test_an_unknown_frame_type_is_a_frame_error(wire: Wire, kind: int) -> None:
    wire.channel()
    with connection_error(501, f"FRAME_ERROR - type {kind}, all octets = <<>>: unknown_frame"):
        wire.send_frame(kind, 1, b"")
        wire.next()


@differs_from("rabbitmq 3.10", why="it drops the connection without a word")
@pytest.mark.parametrize("method", [b"\x00\xc8\x00\x0a", b"\x00\x3c\x00\xff"], ids=["class", "method"])
@pytest.mark.parametrize("channel", [0, 1])
def test_an_unknown_method_ends_the_connection(wire: Wire, method: bytes, channel: int) -> None:
    wire.channel()
    wire.send_frame(METHOD, channel, method)
    with pytest.raises(ConnectionClosed) as refusal:
        wire.next()
    assert refusal.value.code in (501, 503, 540)


def test_a_method_that_is_too_short_ends_the_connection(wire: Wire) -> None:
    wire.channel()
    with connection_error(501, FRAME_ERROR):
        wire.send_frame(METHOD, 1, encode_method(spec.Queue.Declare(0, "some-name"))[:10])
        wire.next()


def test_content_cannot_begin_with_a_header(wire: Wire) -> None:
    wire.channel()
    with connection_error(505, UNEXPECTED + "expected method frame, got non method frame instead"):
        wire.send_frame(HEADER, 1, encode_header(None, 0))
        wire.next()


def test_content_cannot_begin_with_a_body(wire: Wire) -> None:
    wire.channel()
    with connection_error(505, UNEXPECTED + "expected method frame, got non method frame instead"):
        wire.send_frame(BODY, 1, b"x")
        wire.next()


def test_a_header_must_follow_publish(wire: Wire) -> None:
    wire.channel()
    text = UNEXPECTED + "expected content header for class 60, got non content header frame instead"
    with connection_error(505, text, spec.Basic.Publish):
        wire.send_frame(METHOD, 1, PUBLISH)
        wire.send_frame(METHOD, 1, encode_method(spec.Basic.Qos(0, 1)))
        wire.next()


def test_the_header_is_of_the_methods_class(wire: Wire) -> None:
    wire.channel()
    text = UNEXPECTED + "expected content header for class 60, got one for class 10 instead"
    with connection_error(505, text, spec.Basic.Publish):
        wire.send_frame(METHOD, 1, PUBLISH)
        wire.send_frame(HEADER, 1, encode_header(None, 0, class_id=10))
        wire.next()


def test_bodies_must_follow_the_header(wire: Wire) -> None:
    wire.channel()
    text = UNEXPECTED + "expected content body, got non content body frame instead"
    with connection_error(505, text, spec.Basic.Publish):
        wire.send_frame(METHOD, 1, PUBLISH)
        wire.send_frame(HEADER, 1, encode_header(None, 10))
        wire.send_frame(METHOD, 1, encode_method(spec.Basic.Qos(0, 1)))
        wire.next()


def test_a_body_where_none_was_announced_ends_the_connection(wire: Wire) -> None:
    wire.channel()
    with connection_error(505, UNEXPECTED + "expected method frame, got non method frame instead"):
        wire.send_frame(METHOD, 1, PUBLISH)
        wire.send_frame(HEADER, 1, encode_header(None, 0))
        wire.send_frame(BODY, 1, b"longer")
        wire.next()


@differs_from("rabbitmq 3.10", why="it waits for the frame that would make the lengths equal")
@pytest.mark.parametrize("announced", [1, 5])
def test_a_body_longer_than_announced_ends_the_connection(wire: Wire, announced: int) -> None:
    wire.channel()
    with connection_error(501, FRAME_ERROR):
        wire.send_frame(METHOD, 1, PUBLISH)
        wire.send_frame(HEADER, 1, encode_header(None, announced))
        wire.send_frame(BODY, 1, b"longer")
        wire.next()


def test_an_empty_body_has_no_body_frames(ch: Channel, name: str) -> None:
    ch.queue(name)
    ch.publish(name)
    content = ch.await_one(name)
    assert (content.size, content.frames) == (0, [])


def test_a_body_may_come_in_frames_of_any_size(ch: Channel, name: str) -> None:
    ch.queue(name)
    frames = [encode_frame(METHOD, 1, encode_method(spec.Basic.Publish(0, "", name)))]
    frames.append(encode_frame(HEADER, 1, encode_header(None, 6)))
    frames += [encode_frame(BODY, 1, part) for part in (b"a", b"", b"bcd", b"ef")]
    ch.wire.send_bytes(b"".join(frames))
    assert ch.await_one(name).body == b"abcdef"


def test_contents_of_several_channels_may_interleave(wire: Wire, name: str) -> None:
    first, second = wire.channel(1), wire.channel(2)
    first.queue(name)
    publish = encode_method(spec.Basic.Publish(0, "", name))
    for kind, payload in ((METHOD, publish), (HEADER, encode_header(None, 2)), (BODY, b"o"), (BODY, b"k")):
        for channel in (1, 2):
            wire.send_frame(kind, channel, payload)
    first.barrier()
    second.barrier()
    first.await_count(name, 2)
    assert first.drain(name) == [b"ok", b"ok"]


def test_a_large_body_is_delivered_in_frames_within_frame_max(connect: Connect, ch: Channel, name: str) -> None:
    ch.queue(name)
    body = bytes(range(256)) * 4096
    ch.publish(name, body)
    ch.await_count(name, 1)
    small = connect(frame_max=8192).channel()
    content = small.get_one(name)
    assert content.body == body
    assert max(map(len, content.frames)) <= 8192 - 8


def test_a_heartbeat_is_at_home_on_channel_zero(wire: Wire) -> None:
    with connection_error(505):
        wire.send_frame(HEARTBEAT, 3, b"")
        wire.channel(1)


def test_a_heartbeat_between_the_frames_of_a_content_is_taken(ch: Channel, name: str) -> None:
    ch.queue(name)
    ch.wire.send_frame(METHOD, 1, encode_method(spec.Basic.Publish(0, "", name)))
    ch.wire.send_frame(HEADER, 1, encode_header(None, 2))
    ch.wire.send_frame(HEARTBEAT, 0, b"")
    ch.wire.send_frame(BODY, 1, b"ok")
    assert ch.await_one(name).body == b"ok"


def test_a_connection_method_on_another_channel_is_refused(wire: Wire) -> None:
    wire.channel()
    with connection_error(503):
        wire.send(spec.Connection.Open("/"), 1)
        wire.next()


def test_a_channel_method_on_channel_zero_is_refused(wire: Wire) -> None:
    with connection_error(504, "CHANNEL_ERROR - unexpected method in connection state running", spec.Basic.Qos):
        wire.send(spec.Basic.Qos(0, 1), 0)
        wire.next()
