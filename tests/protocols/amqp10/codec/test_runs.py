"""AMQP 1.0 part 2 §2.7.5: transfers that differ in ids and payloads alone, as runs and one by one."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, strategies as st

from batonmq.protocols.amqp10.codec.constants import AMQP_HEADER, RUN, TRANSFER
from batonmq.protocols.amqp10.codec.encoder import frame
from batonmq.protocols.amqp10.codec.frames import Event, FrameParser
from batonmq.protocols.amqp10.codec.performatives import Accepted, Disposition, Transfer
from batonmq.protocols.amqp10.codec.runs import single, transfers_of


def transfer(number: int, payload: bytes, handle: int = 0, channel: int = 0, tag: bytes | None = None) -> bytes:
    """A delivery in its frame; ids above 255 have four octets."""
    number &= 0xFFFF_FFFF
    tag = number.to_bytes(4, "big") if tag is None else tag
    return frame(
        channel,
        Transfer(handle=handle, delivery_id=number, delivery_tag=tag, message_format=0, settled=False),
        payload,
    )


def parsed(data: bytes, sizes: list[int], *, gathers: bool) -> list[Event]:
    parser = FrameParser(1 << 16, gathers=gathers)
    events = parser.feed(AMQP_HEADER)
    at = 0
    for size in sizes:
        events += parser.feed(data[at : at + size])
        at += size
    return events + parser.feed(data[at:])


def without_tags(events: list[Event]) -> list[Event]:
    return [(*event[:4], b"", event[5]) if event[0] == TRANSFER else event for event in events]


def one_by_one(events: list[Event]) -> list[Event]:
    """With the transfers of each run in its place."""
    events = list(events)
    at = 0
    while at < len(events):
        if events[at][0] == RUN:
            single(events, at)
        at += 1
    return without_tags(events)


def runs_of(events: list[Event]) -> list[tuple[int, int]]:
    """The first id and the length of each."""
    return [(event[3], len(event[4])) for event in events if event[0] == RUN]


def test_deliveries_like_each_other_are_one_event() -> None:
    data = b"".join(transfer(number, b"%d" % (number % 10)) for number in range(1000, 1100))
    events = parsed(data, [], gathers=True)
    # The first shows where the fields are.
    assert [event[0] for event in events[1:]] == [TRANSFER, RUN]
    assert runs_of(events) == [(1001, 99)]
    assert one_by_one(events) == without_tags(parsed(data, [], gathers=False))


def test_a_run_has_payloads_of_all_sizes() -> None:
    data = b"".join(transfer(number, b"x" * (number % 7)) for number in range(1000, 1100))
    events = parsed(data, [], gathers=True)
    assert [event[0] for event in events[1:]] == [TRANSFER, RUN]
    assert runs_of(events) == [(1001, 99)]
    assert one_by_one(events) == without_tags(parsed(data, [], gathers=False))


def test_who_does_not_ask_for_runs_gets_none() -> None:
    data = b"".join(transfer(number, b"x") for number in range(1000, 1100))
    events = parsed(data, [], gathers=False)
    assert [event[0] for event in events[1:]] == [TRANSFER] * 100
    assert [event[4] for event in events if event[0] == TRANSFER][5] == (1005).to_bytes(4, "big")


@pytest.mark.parametrize(
    ("numbers", "runs"),
    [
        ([*range(1000, 1010), *range(2000, 2010)], [(1001, 9), (2000, 10)]),
        ([1000, *range(1000, 1010)], [(1000, 10)]),
        ([*range(1000, 1008), 1007, 1008, 1009, 1010], [(1001, 7), (1007, 4)]),
        ([*range(2**32 - 8, 2**32 + 300)], [(2**32 - 7, 7), (256, 44)]),
        (list(range(1000, 1004)), [(1001, 3)]),
        ([1000, 1001, 1003], []),
    ],
)
def test_a_run_ends_where_an_id_does_not_follow(numbers: list[int], runs: list[tuple[int, int]]) -> None:
    data = b"".join(transfer(number, b"x") for number in numbers)
    events = parsed(data, [], gathers=True)
    four_octets = [run for run in runs_of(events) if run[0] > 255]
    assert four_octets == runs
    assert one_by_one(events) == without_tags(parsed(data, [], gathers=False))


def test_ids_begin_anew_within_a_run() -> None:
    """Each id in four octets, as some clients write them."""
    frames = [
        b"\x00\x00\x00\x1c\x02\x00\x00\x00\x00\x53\x14\xc0\x0f\x05\x43\x70%b\xa0\x04tag%c\x43\x42"
        % (number.to_bytes(4, "big"), number & 0x7F)
        for number in (*range(2**32 - 6, 2**32), *range(6))
    ]
    assert {len(each) for each in frames} == {0x1C}
    events = parsed(b"".join(frames), [], gathers=True)
    assert runs_of(events) == [(2**32 - 5, 11)]
    assert one_by_one(events) == without_tags(parsed(b"".join(frames), [], gathers=False))


Part = tuple[int, int, int, int, int]


@given(
    st.lists(
        st.tuples(
            st.sampled_from([0, 0, 0, 1, 300]),
            st.sampled_from([0, 0, 7]),
            st.integers(1, 9),
            st.sampled_from([1, 1, 1, 0, 2, 1000]),
            st.sampled_from([0, 5, 5, 6]),
        ),
        max_size=8,
    ),
    st.lists(st.integers(0, 300), max_size=6),
    st.booleans(),
)
def test_runs_are_the_transfers_that_would_come_one_by_one(parts: list[Part], sizes: list[int], noise: bool) -> None:
    """Of links that take turns, with gaps in their ids, bodies of several sizes, other frames between, in pieces."""
    data = b""
    number = 250
    for handle, channel, count, step, size in parts:
        for _ in range(count):
            data += transfer(number, bytes((number & 255,)) * size, handle, channel)
            number += step
        if noise:
            data += frame(channel, Disposition(role=True, first=number, settled=True, state=Accepted()))
    assert one_by_one(parsed(data, sizes, gathers=True)) == without_tags(parsed(data, [], gathers=False))


@given(st.binary(max_size=60), st.integers(0, 400), st.lists(st.integers(0, 100), max_size=4))
def test_what_is_changed_within_a_run_is_seen(change: bytes, at: int, sizes: list[int]) -> None:
    data = bytearray(b"".join(transfer(number, b"0123456789") for number in range(1000, 1012)))
    data[at : at + len(change)] = change
    assert one_by_one(parsed(bytes(data), sizes, gathers=True)) == without_tags(parsed(bytes(data), [], gathers=False))


@given(
    st.integers(256, 1100),
    st.integers(1, 600),
    st.integers(0, 20),
    st.lists(st.tuples(st.integers(0, 599), st.integers(0, 59), st.integers(0, 255)), max_size=2),
)
def test_long_runs_are_the_transfers_that_would_come_one_by_one(
    first: int, count: int, tag_size: int, changes: list[tuple[int, int, int]]
) -> None:
    """With tags of all sizes, and ids and other octets that are changed."""
    numbers = range(first, first + count)
    frames = [
        bytearray(transfer(number, b"0123456789", tag=number.to_bytes(20, "big")[20 - tag_size :]))
        for number in numbers
    ]
    for place, at, octet in changes:
        frame_changed = frames[place % count]
        # Not its size, which ends the connection.
        frame_changed[4 + at % (len(frame_changed) - 4)] = octet
    data = b"".join(frames)
    assert one_by_one(parsed(data, [], gathers=True)) == without_tags(parsed(data, [], gathers=False))


def test_a_run_ends_where_an_octet_of_the_last_frame_is_another() -> None:
    frames = [transfer(number, b"0123456789") for number in range(1000, 1600)]
    whole = b"".join(frames)
    size = len(frames[0])
    for place in (1, 5, 24, 100, 300, 599):
        for at in range(4, size):
            data = bytearray(whole)
            data[place * size + at] ^= 1
            events = parsed(bytes(data), [], gathers=True)
            assert one_by_one(events) == without_tags(parsed(bytes(data), [], gathers=False))


def test_a_run_is_replaced_by_its_transfers() -> None:
    data = b"".join(transfer(number, b"%d" % (number % 10)) for number in range(1000, 1006))
    events = parsed(data, [], gathers=True)
    assert transfers_of(events[1]) == 1
    assert transfers_of(events[2]) == 5
    first = single(events, 2)
    assert first[3:] == (1001, b"", b"1")
    assert [transfers_of(event) for event in events[1:]] == [1] * 6
    # One that is by itself stays as it is.
    assert single(events, 1) == events[1]
    numbers = [event[3] for event in events if event[0] == TRANSFER]
    assert all(after == before + 1 for before, after in pairwise(n for n in numbers if n is not None))
