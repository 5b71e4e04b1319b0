"""AMQP 0-9-1 sections 4.2.3 and 4.2.6: what is written, read back by another implementation."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st
from pamqp import body, commands as spec, frame, header

from batonmq.broker.routing.direct_replies import NOBODY
from batonmq.fields import FieldError
from batonmq.message import Message, framing_of
from batonmq.properties import EMPTY, Properties
from batonmq.protocols.amqp091.constants import PUBLISH
from batonmq.protocols.amqp091.encoder import (
    HEARTBEAT_FRAME,
    ack_frame,
    append_deliveries,
    content_frames,
    deliver_prefix,
    encode_frame,
    method_frame,
)
from batonmq.protocols.amqp091.framing import frames_on
from batonmq.protocols.amqp091.methods import BasicAck, BasicDeliver, BasicPublish, ChannelOpenOk
from batonmq.protocols.amqp091.parser import FrameParser
from batonmq.queued import QueuedMessage

PROPERTIES = Properties.make(content_type="text/plain", delivery_mode=2, headers={"k": "v"})


def read(data: bytes) -> list[tuple[int, object, int]]:
    """Every frame: channel, what is in it, size with overhead."""
    found: list[tuple[int, object, int]] = []
    while data:
        used, channel, content = frame.unmarshal(data)
        found.append((channel, content, used))
        data = data[used:]
    return found


def published(data: bytes, channel: int = 1, properties: Properties = PROPERTIES) -> Message:
    """A message as the parser hands it out when all is in one piece, its frames around it."""
    parser = FrameParser(1 << 20, opened=True)
    publish = method_frame(channel, BasicPublish(exchange="e", routing_key="k"))
    publish += content_frames(channel, Message("e", "k", properties, data), 0)
    event = parser.feed(publish + publish)[1]
    assert event[0] == PUBLISH
    (message,) = event[3]
    assert message.framing is frames_on(channel)
    return message


@pytest.mark.parametrize("multiple", [False, True])
@pytest.mark.parametrize(("channel", "tag"), [(1, 1), (65_535, 2**64 - 1)])
def test_a_confirm_is_a_method_frame(channel: int, tag: int, multiple: bool) -> None:
    ack = BasicAck(delivery_tag=tag, multiple=multiple)
    assert ack_frame(channel, tag, multiple=multiple) == method_frame(channel, ack)


def test_a_method_frame() -> None:
    assert method_frame(7, ChannelOpenOk()) == b"\x01\x00\x07\x00\x00\x00\x08\x00\x14\x00\x0b\x00\x00\x00\x00\xce"


def test_a_heartbeat() -> None:
    assert HEARTBEAT_FRAME == b"\x08\x00\x00\x00\x00\x00\x00\xce"


def test_any_frame() -> None:
    assert encode_frame(3, 258, b"ab") == b"\x03\x01\x02\x00\x00\x00\x02ab\xce"


def check_content(frames: list[tuple[int, object, int]], channel: int, data: bytes, frame_max: int) -> None:
    assert {number for number, _, _ in frames} == {channel}
    head = frames[0][1]
    assert isinstance(head, header.ContentHeader)
    assert head.body_size == len(data)
    assert head.properties.content_type == "text/plain"
    assert head.properties.headers == {"k": "v"}
    bodies = [content.value for _, content, _ in frames[1:] if isinstance(content, body.ContentBody)]
    assert b"".join(bodies) == data
    assert len(bodies) == len(frames) - 1
    assert all(bodies)
    assert max(size for _, _, size in frames) <= frame_max


@pytest.mark.parametrize("size", [0, 1, 4087, 4088, 4089, 8176, 8177, 100_000])
@pytest.mark.parametrize("framed", [True, False])
@pytest.mark.parametrize("channel", [1, 2])
def test_content_is_split_to_frame_max(size: int, framed: bool, channel: int) -> None:
    data = bytes(range(256)) * (size // 256) + bytes(size % 256)
    message = published(data) if framed and size else Message("e", "k", PROPERTIES, data)
    check_content(read(content_frames(channel, message, 4096)), channel, data, 4096)


def test_frame_max_zero_is_no_limit() -> None:
    data = bytes(300_000)
    frames = read(content_frames(1, Message("e", "k", PROPERTIES, data), 0))
    assert len(frames) == 2
    check_content(frames, 1, data, len(data) + 8)


def test_a_content_of_the_same_channel_goes_out_as_it_came() -> None:
    message = published(b"body")
    assert content_frames(1, message, 4096) is message.payload
    assert content_frames(1, message, 0) is message.payload
    assert content_frames(2, message, 4096) is not message.payload


@pytest.mark.parametrize("size", [1, 16, 4087, 4088, 10_000])
def test_what_another_protocol_keeps_around_a_body_stays_here(size: int) -> None:
    payload = b"head" + bytes(size) + b"tail"
    kept = Message("e", "k", PROPERTIES, payload, 4, size, framing_of(6), len(payload))
    bare = Message("e", "k", PROPERTIES, bytes(size))
    for batch in (
        [queued(kept)] * 2,
        [queued(bare), queued(kept)],
        [queued(kept, 1), queued(published(b"x")), queued(kept)],
    ):
        bodies = [queued(Message("e", "k", PROPERTIES, one.message.body), one.returns) for one in batch]
        for channel in (1, 2):
            out: list[bytes] = []
            expected: list[bytes] = []
            append_deliveries(out, deliver_prefix(channel, "c"), 5, channel, batch, 4096)
            append_deliveries(expected, deliver_prefix(channel, "c"), 5, channel, bodies, 4096)
            assert b"".join(out) == b"".join(expected)


def test_only_the_body_of_a_framed_payload_is_taken_over() -> None:
    message = published(b"body")
    assert message.body == b"body"
    bare = Message("e", "k", PROPERTIES, b"body")
    assert content_frames(2, message, 4096) == content_frames(2, bare, 4096)
    assert content_frames(1, message, 4096) == content_frames(1, bare, 4096)


def queued(message: Message, deliveries: int = 0) -> QueuedMessage:
    """A message as a queue hands it over; of the queue nothing is looked at."""
    made = QueuedMessage(message, NOBODY, 0)
    made.count_as(deliveries)
    return made


def delivery(out: list[bytes]) -> tuple[spec.Basic.Deliver, list[tuple[int, object, int]]]:
    frames = read(b"".join(out))
    method = frames[0][1]
    assert isinstance(method, spec.Basic.Deliver)
    return method, frames[1:]


@pytest.mark.parametrize("framed", [True, False])
@pytest.mark.parametrize("frame_max", [0, 4096])
@pytest.mark.parametrize("channel", [1, 9])
def test_a_delivery(framed: bool, frame_max: int, channel: int) -> None:
    data = b"x" * 5000
    message = published(data) if framed else Message("e", "k", PROPERTIES, data)
    out: list[bytes] = []
    append_deliveries(out, deliver_prefix(channel, "ctag"), 2**62, channel, [queued(message, 1)], frame_max)
    method, content = delivery(out)
    assert (method.consumer_tag, method.delivery_tag, method.redelivered) == ("ctag", 2**62, True)
    assert (method.exchange, method.routing_key) == ("e", "k")
    check_content(content, channel, data, frame_max or 10_000)


def test_delivery_tags_of_a_run_follow_one_another() -> None:
    out: list[bytes] = []
    run = [queued(published(b"a")), queued(Message("", "l", PROPERTIES, b"bc"), 2), queued(published(b"d"))]
    append_deliveries(out, deliver_prefix(1, "c"), 7, 1, run, 4096)
    frames = [content for _, content, _ in read(b"".join(out))]
    methods = [content for content in frames if isinstance(content, spec.Basic.Deliver)]
    assert [(m.delivery_tag, m.redelivered, m.routing_key) for m in methods] == [
        (7, False, "k"),
        (8, True, "l"),
        (9, False, "k"),
    ]
    assert [content.value for content in frames if isinstance(content, body.ContentBody)] == [b"a", b"bc", b"d"]


A_CHANGE = st.sampled_from(["size", "key", "properties", "framing", "redelivered"])


@given(
    st.integers(0, 600),
    st.sampled_from([0, 1, 16, 1000, 2040, 2048, 2049]),
    st.sampled_from([1, 250, 2**32 - 3, 2**62 + 255]),
    st.booleans(),
    st.sampled_from([0, 1000, 4096]),
    st.dictionaries(st.integers(0, 599), A_CHANGE, max_size=2),
)
def test_many_that_are_alike_are_what_they_are_one_by_one(
    count: int, size: int, first: int, framed: bool, frame_max: int, changes: dict[int, str]
) -> None:
    kept = published(b"y" * max(size, 1))
    run = []
    for number in range(count):
        data = bytes((number & 0xFF,)) * size
        one = kept if framed else Message(kept.exchange, kept.routing_key, PROPERTIES, data)
        change = changes.get(number)
        if change == "size":
            one = Message(kept.exchange, kept.routing_key, PROPERTIES, data + b"x")
        elif change == "key":
            one = Message(kept.exchange, "other", PROPERTIES, data)
        elif change == "properties":
            one = Message(kept.exchange, kept.routing_key, EMPTY, data)
        elif change == "framing":
            one = Message(kept.exchange, kept.routing_key, PROPERTIES, data) if framed else kept
        run.append(queued(one, 1 if change == "redelivered" else 0))
    together: list[bytes] = []
    append_deliveries(together, deliver_prefix(1, "c"), first, 1, run, frame_max)
    each: list[bytes] = []
    for at, one_queued in enumerate(run):
        append_deliveries(each, deliver_prefix(1, "c"), first + at, 1, [one_queued], frame_max)
    assert b"".join(together) == b"".join(each)


def test_a_consumer_is_sent_messages_of_changing_addresses() -> None:
    prefix = deliver_prefix(1, "c")
    for tag, (exchange, key) in enumerate([("", ""), ("", "a"), ("x", "a"), ("x", "a"), ("", "a"), ("é", "l" * 255)]):
        out: list[bytes] = []
        append_deliveries(out, prefix, tag, 1, [queued(Message(exchange, key, EMPTY, b"1"))], 4096)
        method, content = delivery(out)
        assert (method.delivery_tag, method.redelivered) == (tag, False)
        assert (method.exchange, method.routing_key) == (exchange, key)
        assert len(content) == 2


@pytest.mark.parametrize("frame_max", [0, 4096])
def test_a_consumer_is_sent_bodies_of_changing_kinds(frame_max: int) -> None:
    plain, other = Properties.make(content_type="text/plain", headers={"k": "v"}), PROPERTIES
    kinds = [(plain, b"a"), (other, b"b"), (other, b"cd"), (plain, b"ef"), (plain, b""), (plain, b"gh"), (other, b"i")]
    kinds += [(other, bytes(4088)), (other, bytes(4089)), (other, b"j")]
    out: list[bytes] = []
    run = [queued(Message("e", "k", properties, data)) for properties, data in kinds]
    append_deliveries(out, deliver_prefix(3, "c"), 1, 3, run, frame_max)
    expected = b""
    for tag, (properties, data) in enumerate(kinds, 1):
        deliver = BasicDeliver(consumer_tag="c", delivery_tag=tag, redelivered=False, exchange="e", routing_key="k")
        expected += method_frame(3, deliver) + content_frames(3, Message("e", "k", properties, data), frame_max)
    assert b"".join(out) == expected


def test_addresses_are_compared_by_value_where_they_are_not_the_same_object() -> None:
    prefix = deliver_prefix(1, "c")
    for key in ("orders", "".join(["ord", "ers"])):
        out: list[bytes] = []
        append_deliveries(out, prefix, 1, 1, [queued(Message("", key, EMPTY, b""))], 4096)
        assert delivery(out)[0].routing_key == "orders"


def test_a_consumer_tag_has_at_most_255_octets() -> None:
    with pytest.raises(FieldError):
        deliver_prefix(1, "x" * 256)
