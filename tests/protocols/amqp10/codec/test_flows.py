"""AMQP 1.0 part 2 §2.7.4: flows of the usual form are read and written as all other composites are."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from batonmq.protocols.amqp10.codec.composites import decode_composite, encode_composite
from batonmq.protocols.amqp10.codec.constants import FRAME
from batonmq.protocols.amqp10.codec.encoder import frame
from batonmq.protocols.amqp10.codec.flows import MARK, read_flow
from batonmq.protocols.amqp10.codec.frames import FrameParser
from batonmq.protocols.amqp10.codec.kinds import DecodeError, EncodeError
from batonmq.protocols.amqp10.codec.performatives import Flow

A_NUMBER = st.sampled_from([0, 1, 255, 256, 1 << 31, (1 << 32) - 1]) | st.integers(0, (1 << 32) - 1)
A_FLAG = st.none() | st.booleans()
FLOWS = st.builds(
    Flow,
    next_incoming_id=st.none() | A_NUMBER,
    incoming_window=A_NUMBER,
    next_outgoing_id=A_NUMBER,
    outgoing_window=A_NUMBER,
    handle=st.none() | A_NUMBER,
    delivery_count=st.none() | A_NUMBER,
    link_credit=st.none() | A_NUMBER,
    available=st.none() | A_NUMBER,
    drain=A_FLAG,
    echo=A_FLAG,
    properties=st.sampled_from([None, None, None, {"a": "b"}]),
)


@given(FLOWS, st.integers(0, 9))
def test_a_flow_is_what_any_composite_is(flow: Flow, channel: int) -> None:
    body = encode_composite(flow)
    data = frame(channel, flow)
    assert data[8:] == body
    assert data[:8] == len(data).to_bytes(4, "big") + b"\x02\x00" + channel.to_bytes(2, "big")
    assert (read_flow(data, 8, len(data)) is None) == (flow.properties is not None)
    assert FrameParser(1 << 16).feed(b"AMQP\x00\x01\x00\x00" + data)[1:] == [(FRAME, channel, flow, b"")]


FIELDS = st.sampled_from(
    [b"\x40", b"\x41", b"\x42", b"\x43", b"\x52\x07", b"\x70\x00\x01\x00\x07", b"\x56\x01", b"\x70\x00", b"\x52"]
)


@given(st.lists(FIELDS, max_size=12), st.integers(-1, 1), st.integers(-1, 1), st.binary(max_size=2))
def test_what_is_read_quickly_is_what_is_decoded(
    fields: list[bytes], count_off: int, size_off: int, behind: bytes
) -> None:
    encoded = b"".join(fields)
    count, size = max(len(fields) + count_off, 0), max(len(encoded) + 1 + size_off, 0)
    short = MARK + bytes((size, count)) + encoded
    # Some clients always write the long form of a list.
    long = MARK[:3] + b"\xd0" + (size + 3).to_bytes(4, "big") + count.to_bytes(4, "big") + encoded
    for data in (short, long):
        flow = read_flow(b"_" + data + behind, 1, 1 + len(data))
        if flow is not None:
            assert decode_composite(data) == (flow, len(data))


def test_either_form_of_a_list_is_read_quickly() -> None:
    fields = b"\x43\x70\x00\x01\x00\x07\x43\x52\x07\x43"
    expected = Flow(next_incoming_id=0, incoming_window=65543, next_outgoing_id=0, outgoing_window=7, handle=0)
    for head in (MARK + b"\x0b\x05", MARK[:3] + b"\xd0\x00\x00\x00\x0e\x00\x00\x00\x05"):
        data = head + fields
        assert read_flow(data, 0, len(data)) == expected
        for stop in range(len(head)):
            assert read_flow(data, 0, stop) is None


def test_what_is_no_number_is_refused() -> None:
    for number in (-1, 1 << 32):
        with pytest.raises(EncodeError):
            frame(0, Flow(handle=number))
    with pytest.raises(DecodeError):
        decode_composite(MARK + b"\x05\x04\x40\x40\x40\x40")
    assert read_flow(MARK + b"\x05\x04\x40\x40\x40\x40", 0, 10) is None
