"""AMQP 1.0 part 2 §2.3, §2.7.5: frames, and transfers of a link in one go."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from batonmq.protocols.amqp10.codec.constants import AMQP_HEADER, TRANSFER
from batonmq.protocols.amqp10.codec.encoder import HEARTBEAT, append_transfers, frame, sasl_frame, transfer_prefix
from batonmq.protocols.amqp10.codec.frames import FrameParser
from batonmq.protocols.amqp10.codec.performatives import End, SaslOutcome, Transfer


def test_frames() -> None:
    assert bytes.fromhex("00000008 02 00 0000") == HEARTBEAT
    assert frame(258, End()) == bytes.fromhex("0000000c 02 00 0102 00531745")
    assert frame(1, End(), b"x") == bytes.fromhex("0000000d 02 00 0001 00531745 78")
    assert sasl_frame(SaslOutcome(code=0)) == bytes.fromhex("00000010 02 01 0000 005344 c003015000")


def received(frames: list[bytes]) -> list[tuple[int, Transfer, int | None, bytes | None, bytes]]:
    parser = FrameParser(1 << 20)
    parser.feed(AMQP_HEADER)
    events = []
    for event in parser.feed(b"".join(frames)):
        assert event[0] == TRANSFER
        events.append(event[1:])
    return events


@given(
    st.lists(st.integers(0, 2000), min_size=1, max_size=5),
    st.sampled_from([0, 1, 255, 256, 2**32 - 1]),
    st.sampled_from([0, 7, 254, 2**32 - 2]),
    st.sampled_from([0, 65535]),
    st.booleans(),
    st.sampled_from([512, 513, 600, 4096]),
    st.sampled_from([0, 5, 2**31]),
)
def test_messages_are_transferred_in_frames_that_fit(
    sizes: list[int], handle: int, first: int, channel: int, settled: bool, most: int, message_format: int
) -> None:
    payloads = [bytes((number,)) * size for number, size in enumerate(sizes)]
    out: list[bytes] = []
    prefix = transfer_prefix(channel, handle, settled=settled, message_format=message_format)
    count = append_transfers(out, prefix, first, payloads, most)
    assert count == len(out)
    assert all(len(one) <= most for one in out)
    messages: list[tuple[int | None, bytes]] = []
    parts: list[bytes] = []
    for on, shape, delivery_id, tag, payload in received(out):
        assert on == channel
        assert shape.handle == handle
        if not parts:
            assert bool(shape.settled) == settled
            assert shape.message_format == message_format
            assert delivery_id is not None
            assert tag == delivery_id.to_bytes(4, "big")
            messages.append((delivery_id, b""))
        else:
            assert delivery_id in (None, messages[-1][0])
        parts.append(payload)
        if not shape.more:
            messages[-1] = (messages[-1][0], b"".join(parts))
            parts = []
    assert not parts
    assert messages == [(first + at & 0xFFFF_FFFF, payload) for at, payload in enumerate(payloads)]


@given(
    st.integers(0, 600),
    st.sampled_from([0, 1, 16, 400, 500, 2048, 2049]),
    st.sampled_from([0, 250, 2**32 - 300]),
    st.sampled_from([b"", b"lead"]),
    st.sampled_from([512, 4096]),
)
def test_many_of_one_size_are_what_they_are_one_by_one(
    count: int, size: int, first: int, lead: bytes, most: int
) -> None:
    payloads = [bytes((number & 0xFF,)) * size for number in range(count)]
    prefix = transfer_prefix(3, 1, settled=False)
    together: list[bytes] = []
    frames = append_transfers(together, prefix, first, payloads, most, lead)
    each: list[bytes] = []
    for at, payload in enumerate(payloads):
        append_transfers(each, prefix, first + at & 0xFFFF_FFFF, [payload], most, lead)
    assert b"".join(together) == b"".join(each)
    assert frames == len(each)


@pytest.mark.parametrize("most", [512, 1000])
def test_a_message_is_split_into_frames_as_large_as_may_be(most: int) -> None:
    out: list[bytes] = []
    append_transfers(out, transfer_prefix(0, 0, settled=False), 0, [bytes(10_000)], most)
    assert {len(one) for one in out[:-1]} == {most}
    whole: list[bytes] = []
    append_transfers(whole, transfer_prefix(0, 0, settled=False), 0, [b""], most)
    room = most - len(whole[0])
    for size, frames in ((room, 1), (room + 1, 2)):
        out = []
        assert append_transfers(out, transfer_prefix(0, 0, settled=False), 0, [bytes(size)], most) == frames
