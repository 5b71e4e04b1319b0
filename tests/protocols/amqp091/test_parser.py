"""AMQP 0-9-1 sections 4.2.3 and 4.2.6: frames become events, and every fault of the peer becomes an ERROR event."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable

import pytest
from hypothesis import example, given, strategies as st

from batonmq.fields import FieldValue
from batonmq.message import Message
from batonmq.properties import EMPTY, Properties
from batonmq.protocols.amqp091 import parser as module
from batonmq.protocols.amqp091.constants import (
    ACK,
    CONTENT,
    ERROR,
    FRAME_BODY,
    FRAME_HEADER,
    FRAME_HEARTBEAT,
    FRAME_METHOD,
    HEARTBEAT,
    METHOD,
    PUBLISH,
)
from batonmq.protocols.amqp091.encoder import HEARTBEAT_FRAME, content_frames, encode_frame, method_frame
from batonmq.protocols.amqp091.framing import frames_on
from batonmq.protocols.amqp091.method_codec import encode_method
from batonmq.protocols.amqp091.methods import (
    METHODS,
    BasicAck,
    BasicDeliver,
    BasicGetOk,
    BasicNack,
    BasicPublish,
    BasicQos,
    BasicReturn,
    ChannelOpen,
    ConnectionOpen,
    ConnectionOpenOk,
    Method,
)
from batonmq.protocols.amqp091.parser import Event, FrameParser, parse_header

FRAME_MAX = 8192
HEADERS: dict[str, FieldValue] = {"k": [1, "v"], "t": {}}


def header(
    size: int, properties: Properties | bytes = EMPTY, channel: int = 1, class_id: int = 60, weight: int = 0
) -> bytes:
    raw = properties if isinstance(properties, bytes) else properties.raw
    return encode_frame(FRAME_HEADER, channel, struct.pack(">HHQ", class_id, weight, size) + raw)


def body(data: bytes, channel: int = 1) -> bytes:
    return encode_frame(FRAME_BODY, channel, data)


def publish(
    data: bytes, key: str = "k", properties: Properties = EMPTY, channel: int = 1, frame_max: int = 4096
) -> bytes:
    method = method_frame(channel, BasicPublish(routing_key=key))
    return method + content_frames(channel, Message("", key, properties, data), frame_max)


METHOD_FRAME = method_frame(1, BasicPublish(routing_key="k"))


def opened(**options: int) -> FrameParser:
    return FrameParser(options.pop("frame_max", FRAME_MAX), opened=True, **options)


def plain(events: Iterable[Event]) -> list[tuple[object, ...]]:
    """Events without the ways in which publishes may be handed out: one by one, with the body alone."""
    found: list[tuple[object, ...]] = []
    for event in events:
        if event[0] == PUBLISH:
            _, channel, publish, messages = event
            for message in messages:
                assert (message.exchange, message.routing_key) == (publish.exchange, publish.routing_key)
                assert message.framing in (None, frames_on(channel))
                if message.framing:
                    head = header(message.size, message.properties, channel)
                    assert message.payload == head + body(message.body, channel)
                else:
                    assert message.payload == message.body
                found.append((PUBLISH, channel, publish, message.properties, message.body))
        elif event[0] == CONTENT:
            _, channel, method, properties, payload, start, size, framing = event
            assert (start, size, framing) == (0, len(payload), None)
            found.append((CONTENT, channel, method, properties, payload))
        else:
            found.append(event)
    return found


def in_pieces(data: bytes, size: int, parser: FrameParser) -> list[Event]:
    return [event for at in range(0, len(data), size) for event in parser.feed(data[at : at + size])]


# ---------------------------------------------------------------------- the protocol header


@pytest.mark.parametrize("version", [b"\0\0\x09\x01", b"\x01\x01\x00\x09", b"\x01\x01\x08\x00", b"\x01\x01\x09\x01"])
def test_headers_of_0_9_1_and_its_forerunners_are_taken(version: bytes) -> None:
    whole = b"AMQP" + version
    assert parse_header(whole) == ("ok", 8)
    assert parse_header(whole + b"rest") == ("ok", 8)
    for end in range(8):
        assert parse_header(whole[:end]) == ("more", 0)


@pytest.mark.parametrize(
    "data", [b"G", b"GET / HT", b"AMQP\x00\x01\x00\x00", b"AMQP\x03", b"AMQP\x00\x00\x09\x02", b"amqp"]
)
def test_other_headers_are_wrong_as_soon_as_they_differ(data: bytes) -> None:
    assert parse_header(data) == ("wrong", 0)


# ---------------------------------------------------------------------- methods


def test_a_method() -> None:
    assert opened().feed(method_frame(5, ChannelOpen())) == [(METHOD, 5, ChannelOpen())]


@pytest.mark.parametrize("multiple", [True, False])
def test_an_ack_has_its_own_event(multiple: bool) -> None:
    data = method_frame(5, BasicAck(delivery_tag=2**64 - 1, multiple=multiple))
    assert opened().feed(data) == [(ACK, 5, 2**64 - 1, multiple)]


def test_a_heartbeat() -> None:
    assert opened().feed(HEARTBEAT_FRAME * 2) == [(HEARTBEAT, 0)] * 2


def test_methods_on_channel_0_are_the_sessions_to_refuse() -> None:
    methods: list[Method] = [BasicPublish(routing_key="k"), BasicAck(delivery_tag=1), BasicQos()]
    parser = opened()
    # What was cached from another channel is refused too.
    parser.feed(publish(b"x"))
    assert parser.feed(b"".join(method_frame(0, method) for method in methods)) == [
        (METHOD, 0, method) for method in methods
    ]


# ---------------------------------------------------------------------- contents


def test_a_publish_in_one_piece_keeps_its_frames() -> None:
    parser = opened()
    data = publish(b"hello", properties=Properties.make(delivery_mode=2))
    parser.feed(data)
    # First met together with another, then repeated, then repeated at once.
    for events in (parser.feed(data * 2), parser.feed(data), parser.feed(data * 3)):
        for event in events:
            assert event[0] == PUBLISH
            for message in event[3]:
                assert message.payload == data[len(METHOD_FRAME) :]
                assert message.body == b"hello"
                assert message.framing is frames_on(1)


def test_publishes_that_differ_in_their_bodies_alone_are_one_event() -> None:
    parser = opened()
    parser.feed(publish(b"one") * 3)
    events = parser.feed(publish(b"two") * 3 + publish(b"four") + publish(b"two"))
    assert [len(event[3]) for event in events if event[0] == PUBLISH] == [3, 1, 1]


def test_publishes_to_one_address_share_their_method() -> None:
    parser = opened()
    first, second, other = parser.feed(publish(b"a") + publish(b"bc") + publish(b"d", key="other"))
    assert first[0] == second[0] == other[0] == PUBLISH
    assert second[2] is first[2]
    assert other[2] is not first[2]


SIZES = [0, 1, 16, 4087, 4088, 4089, 8184, 8185, 20_000]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("frame_max", [4096, 8192])
def test_bodies_of_any_size_and_number_of_frames(size: int, frame_max: int) -> None:
    data = bytes(range(256)) * (size // 256) + bytes(size % 256)
    parser = opened()
    for _ in range(3):
        events = plain(parser.feed(publish(data, frame_max=frame_max)))
        assert events == [(PUBLISH, 1, BasicPublish(routing_key="k"), EMPTY, data)]


def test_empty_body_frames_are_taken() -> None:
    frames = [METHOD_FRAME, header(3), body(b""), body(b"a"), body(b""), body(b""), body(b"bc")]
    assert plain(opened().feed(b"".join(frames))) == [(PUBLISH, 1, BasicPublish(routing_key="k"), EMPTY, b"abc")]


def test_contents_of_other_channels_and_heartbeats_come_between() -> None:
    frames = [
        [
            method_frame(channel, BasicPublish(routing_key="k")),
            header(4, channel=channel),
            body(b"%d" % channel, channel),
            body(b"xyz", channel),
        ]
        for channel in (1, 2)
    ]
    data = b"".join(a + b + HEARTBEAT_FRAME + method_frame(3, BasicQos()) for a, b in zip(*frames, strict=True))
    parser = opened()
    for _ in range(2):
        events = parser.feed(data)
        assert [event for event in plain(events) if event[0] == PUBLISH] == [
            (PUBLISH, channel, BasicPublish(routing_key="k"), EMPTY, b"%dxyz" % channel) for channel in (1, 2)
        ]
        assert len(events) == 2 + 2 * 4


def test_a_whole_publish_is_taken_while_another_channel_is_in_the_middle_of_one() -> None:
    parser = opened()
    parser.feed(publish(b"before"))
    assert parser.feed(method_frame(2, BasicPublish())) == []
    assert len(parser.feed(publish(b"one") + publish(b"two"))) == 2
    # On the channel itself the same bytes are a fault.
    error = parser.feed(publish(b"one", channel=2))[-1]
    assert error[:3] == (ERROR, 2, 505)


def test_a_publish_like_the_last_one_is_a_fault_inside_a_content_of_its_channel() -> None:
    parser = opened()
    assert len(plain(parser.feed(publish(b"one") * 4))) == 4
    assert parser.feed(METHOD_FRAME + publish(b"one")) == [(ERROR, 1, 505, NO_HEADER, 60, 40, True)]


@pytest.mark.parametrize(
    "method",
    [
        BasicDeliver(consumer_tag="c", delivery_tag=5, redelivered=True, exchange="e", routing_key="k"),
        BasicReturn(reply_code=312, reply_text="NO_ROUTE", exchange="e", routing_key="k"),
        BasicGetOk(delivery_tag=5, exchange="e", routing_key="k", message_count=3),
    ],
)
def test_a_client_gets_contents_too(method: Method) -> None:
    properties = Properties.make(headers=HEADERS)
    data = method_frame(1, method) + header(4, properties) + body(b"body")
    assert opened().feed(data) == [(CONTENT, 1, method, properties, b"body", 0, 4, None)]


def test_a_body_above_the_maximum_is_a_soft_error_and_swallowed() -> None:
    parser = opened(max_body=10)
    data = METHOD_FRAME + header(11) + body(b"0123456789") + body(b"a") + publish(b"0123456789")
    text = "message size 11 is larger than configured max size 10"
    error = (ERROR, 1, 406, text, 60, 40, False)
    following = (PUBLISH, 1, BasicPublish(routing_key="k"), EMPTY, b"0123456789")
    assert plain(parser.feed(data)) == [error, following]
    assert plain(in_pieces(data, 1, parser)) == [error, following]
    # Also where the publish would else be taken in one go.
    assert parser.feed(publish(b"x" * 11))[0] == error
    assert not parser.dead


def test_a_body_that_was_declared_takes_no_memory_before_it_comes() -> None:
    parser = FrameParser(FRAME_MAX, 2**63, opened=True)
    assert parser.feed(METHOD_FRAME + header(2**63)) == []
    assert parser.feed(body(b"x")) == []


def test_contents_that_are_not_whole_are_limited_over_all_channels() -> None:
    parser = opened(max_body=100)
    events: list[Event] = []
    for channel in range(1, 5):
        begin = method_frame(channel, BasicPublish(routing_key="k")) + header(100, channel=channel)
        events += parser.feed(begin + body(bytes(99), channel))
    assert [event[:3] for event in events] == [(ERROR, 3, 506)]


def test_what_became_whole_no_longer_counts() -> None:
    parser = opened(max_body=100)
    for _ in range(50):
        assert len(parser.feed(METHOD_FRAME + header(100) + body(bytes(50)) + body(bytes(50)))) == 1


def test_before_the_connection_is_open_no_content_is_taken() -> None:
    parser = FrameParser()
    error = parser.feed(publish(b"x"))[0]
    assert error == (ERROR, 1, 505, "basic.publish before the connection is open", 60, 40, True)


@pytest.mark.parametrize("method", [ConnectionOpen(), ConnectionOpenOk()])
def test_content_may_follow_open_in_the_same_piece(method: Method) -> None:
    events = FrameParser().feed(method_frame(0, method) + publish(b"x"))
    assert [event[0] for event in events] == [METHOD, PUBLISH]


# ---------------------------------------------------------------------- faults


def frame(kind: int, payload: bytes, channel: int = 1, end: int = 0xCE) -> bytes:
    return struct.pack(">BHI", kind, channel, len(payload)) + payload + bytes((end,))


NO_METHOD = "expected method frame, got non method frame instead"
NO_HEADER = "expected content header for class 60, got non content header frame instead"
NO_BODY = "expected content body, got non content body frame instead"

FAULTS = [
    (struct.pack(">BHI", 3, 1, FRAME_MAX + 1), 501, 0, 0, "type 3, all octets = <<>>: {frame_too_large,8193,8184}"),
    (struct.pack(">BHI", 3, 1, 2**32 - 1), 501, 0, 0, "type 3, all octets = <<>>: {frame_too_large,4294967295,8184}"),
    (frame(8, b"", 0, 0xCD), 501, 0, 0, "type 8, all octets = <<>>: {invalid_frame_end_marker,205}"),
    (frame(3, b"abc", 1, 0), 501, 0, 0, 'type 3, all octets = <<"abc">>: {invalid_frame_end_marker,0}'),
    (frame(4, b"\0" * 17), 501, 0, 0, f"type 4, first 16 octets = <<{','.join('0' * 16)}>>: unknown_frame"),
    (frame(0, b""), 501, 0, 0, "type 0, all octets = <<>>: unknown_frame"),
    (frame(8, b"x", 0), 501, 0, 0, 'type 8, all octets = <<"x">>: unknown_frame'),
    (frame(8, b"", 3), 505, 3, 0, "a heartbeat on channel 3"),
    (
        frame(1, b"\0\xc8\0\x0a"),
        501,
        1,
        0xC8000A,
        "type 1, all octets = <<0,200,0,10>>: {unknown_method_id,{200,10}}",
    ),
    (frame(1, b"\0\x3c"), 501, 1, 0, "type 1, all octets = <<0,60>>: a method frame is too short"),
    (
        frame(1, encode_method(BasicNack())[:-1]),
        501,
        1,
        60 << 16 | 120,
        "type 1, all octets = <<0,60,0,120,0,0,0,0,0,0,0,0>>: basic.nack is truncated",
    ),
    (header(0), 505, 1, 0, NO_METHOD),
    (body(b"x"), 505, 1, 0, NO_METHOD),
    (METHOD_FRAME + method_frame(1, BasicQos()), 505, 1, BasicPublish.INDEX, NO_HEADER),
    (METHOD_FRAME + METHOD_FRAME, 505, 1, BasicPublish.INDEX, NO_HEADER),
    (METHOD_FRAME + body(b"x"), 505, 1, BasicPublish.INDEX, NO_HEADER),
    (
        METHOD_FRAME + header(0, class_id=10),
        505,
        1,
        BasicPublish.INDEX,
        "expected content header for class 60, got one for class 10 instead",
    ),
    (METHOD_FRAME + header(1) + METHOD_FRAME, 505, 1, BasicPublish.INDEX, NO_BODY),
    (METHOD_FRAME + header(1) + header(1), 505, 1, BasicPublish.INDEX, NO_BODY),
    (
        METHOD_FRAME + header(2) + body(b"abc"),
        501,
        1,
        BasicPublish.INDEX,
        'type 3, all octets = <<"abc">>: the body is longer than the 2 octets that its header declared',
    ),
    (METHOD_FRAME + header(0) + body(b"abc"), 505, 1, 0, NO_METHOD),
    (
        METHOD_FRAME + header(1, weight=1) + body(b"x"),
        502,
        1,
        BasicPublish.INDEX,
        "the weight of a content header is 1, not 0",
    ),
    (
        METHOD_FRAME + frame(2, b"\0\x3c\0\0"),
        501,
        1,
        BasicPublish.INDEX,
        "type 2, all octets = <<0,60,0,0>>: a content header is too short",
    ),
    (
        METHOD_FRAME + header(1, b"\x80\0\x05a") + body(b"x"),
        502,
        1,
        BasicPublish.INDEX,
        "the content header's properties and its length disagree",
    ),
    (
        METHOD_FRAME + header(1, b"\x20\0\0\0\0\x03\x01kZ") + body(b"x"),
        502,
        1,
        BasicPublish.INDEX,
        "a field has the unknown type b'Z'",
    ),
    (
        METHOD_FRAME + header(1, b"\0\x01") + body(b"x"),
        502,
        1,
        BasicPublish.INDEX,
        "the content header has flags that name no property",
    ),
    (
        METHOD_FRAME + header(1) + frame(3, b"x", 1, 1),
        501,
        0,
        0,
        'type 3, all octets = <<"x">>: {invalid_frame_end_marker,1}',
    ),
]


@pytest.mark.parametrize(("data", "code", "channel", "index", "text"), FAULTS)
@pytest.mark.parametrize("warm", [False, True])
def test_a_fault_is_the_last_event(data: bytes, code: int, channel: int, index: int, text: str, warm: bool) -> None:
    before = publish(b"x") * 3 if warm else b""
    expected = (ERROR, channel, code, text, index >> 16, index & 0xFFFF, True)
    parser = opened()
    events = parser.feed(before + data + HEARTBEAT_FRAME)
    assert events[-1] == expected
    assert parser.dead
    assert parser.feed(HEARTBEAT_FRAME) == []
    parser = opened()
    assert plain(in_pieces(before + data, 1, parser)) == plain(events)


def test_frame_max_may_change() -> None:
    parser = opened(frame_max=4096)
    parser.tune(16384)
    assert len(parser.feed(publish(bytes(10_000), frame_max=16384) * 3)) == 3
    # A publish like the last one is too large now.
    parser.tune(4096)
    assert parser.feed(publish(bytes(10_000), frame_max=16384))[-1][:3] == (ERROR, 0, 501)


def test_no_frame_max_means_that_of_bodies() -> None:
    parser = opened(frame_max=0, max_body=100_000)
    assert len(plain(parser.feed(publish(bytes(100_000), frame_max=0) * 2))) == 2
    assert parser.feed(frame(3, bytes(100_001)))[0][:3] == (ERROR, 0, 501)


@pytest.mark.parametrize("size", [FRAME_MAX - 8, FRAME_MAX, FRAME_MAX + 1])
def test_a_payload_may_have_as_much_as_a_frame(size: int) -> None:
    """AMQPStorm forgets the 8 octets of overhead when it cuts bodies; RabbitMQ lets it."""
    parser = opened()
    parser.feed(publish(b"x"))
    events = parser.feed(METHOD_FRAME + header(size) + body(bytes(size)))
    assert events[0][0] == (PUBLISH if size <= FRAME_MAX else ERROR)


def test_a_content_header_has_at_most_as_much_too() -> None:
    parser = opened()
    room = FRAME_MAX + 8 - len(header(1, Properties.make(headers={"k": ""})))
    for size, last in ((room, PUBLISH), (room + 1, ERROR)):
        properties = Properties.make(headers={"k": "x" * size})
        content = header(1, properties) + body(b"x")
        assert parser.feed(METHOD_FRAME + content)[-1][0] == last


def test_a_large_frame_in_small_pieces_is_put_together_once() -> None:
    data = publish(bytes(range(256)) * 256, frame_max=0)
    assert plain(in_pieces(data, 1, opened(frame_max=0))) == plain(opened(frame_max=0).feed(data))


def test_publish_methods_are_cached_up_to_a_limit() -> None:
    parser = opened()
    for number in range(2 * module.CACHED_METHODS):
        assert len(parser.feed(publish(b"x", key=str(number)))) == 1
        assert len(parser._publishes) <= module.CACHED_METHODS
    parser.feed(publish(b"x", key="k" * 250))
    assert not any(len(payload) > module.CACHED_BYTES for payload in parser._publishes)


# ---------------------------------------------------------------------- anything

PROPERTIES = st.sampled_from(
    [
        EMPTY,
        Properties.make(delivery_mode=2),
        Properties.make(headers=HEADERS, correlation_id="c" * 80),
        Properties.make(priority=3, expiration="5"),
    ]
)
PUBLISHES = st.builds(
    publish,
    st.binary(max_size=40) | st.sampled_from([bytes(4088), bytes(9000)]),
    st.sampled_from(["k", "other", ""]),
    PROPERTIES,
    st.sampled_from([1, 2]),
    st.sampled_from([50, 4096]),
)
OTHERS = st.sampled_from(
    [
        HEARTBEAT_FRAME,
        method_frame(1, BasicAck(delivery_tag=3)),
        method_frame(2, BasicNack(delivery_tag=3)),
        method_frame(1, BasicQos(prefetch_count=3)),
    ]
)
STREAMS = st.lists(st.one_of(PUBLISHES, PUBLISHES.map(lambda data: data * 3), OTHERS), min_size=1, max_size=8).map(
    b"".join
)


@given(STREAMS, st.integers(1, 100))
def test_the_pieces_in_which_bytes_come_do_not_matter(data: bytes, size: int) -> None:
    whole = plain(opened().feed(data))
    assert whole[-1][0] != ERROR
    assert plain(in_pieces(data, size, opened())) == whole
    assert plain(in_pieces(data, 1, opened())) == whole


@given(STREAMS, st.data())
def test_a_damaged_stream_is_judged_alike_in_any_pieces(data: bytes, draw: st.DataObject) -> None:
    at = draw.draw(st.integers(0, len(data) - 1))
    damaged = bytearray(data)
    damaged[at] ^= draw.draw(st.integers(1, 255))
    whole = plain(opened(max_body=10_000).feed(bytes(damaged)))
    assert [event[0] for event in whole[:-1]].count(ERROR) == [
        e for e in whole[:-1] if e[0] == ERROR and not e[6]
    ].__len__()
    assert plain(in_pieces(bytes(damaged), 7, opened(max_body=10_000))) == whole
    assert plain(in_pieces(bytes(damaged), 1, opened(max_body=10_000))) == whole


KINDS = st.sampled_from([FRAME_METHOD, FRAME_HEADER, FRAME_BODY, FRAME_HEARTBEAT])
INDICES = st.sampled_from(sorted(METHODS)).map(lambda index: index.to_bytes(4, "big"))
GARBAGE = st.one_of(
    st.binary(max_size=60),
    st.builds(encode_frame, KINDS, st.integers(0, 2), st.binary(max_size=40)),
    st.builds(lambda index, rest: encode_frame(FRAME_METHOD, 1, index + rest), INDICES, st.binary(max_size=40)),
    st.builds(lambda rest: METHOD_FRAME + encode_frame(FRAME_HEADER, 1, b"\0\x3c\0\0" + rest), st.binary(max_size=40)),
    PUBLISHES,
)


@example([b"\xff" * 100])
@given(st.lists(GARBAGE, max_size=5))
def test_garbage_raises_nothing(pieces: list[bytes]) -> None:
    parser = opened(max_body=1000)
    events = [event for piece in pieces for event in parser.feed(piece)]
    assert parser.dead == any(event[0] == ERROR and event[6] for event in events)
    assert plain(in_pieces(b"".join(pieces), 1, opened(max_body=1000))) == plain(events)


@given(st.binary(max_size=20))
def test_error_texts_are_printable(payload: bytes) -> None:
    error = opened().feed(frame(9, payload))[0]
    assert error[0] == ERROR
    assert re.fullmatch(r'type 9, (all|first 16) octets = <<("[ -~]*"|[0-9,]*)>>: unknown_frame', error[3])
