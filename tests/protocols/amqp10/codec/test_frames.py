"""AMQP 1.0 part 2 §2.2, §2.3: bytes become events, and every fault of the peer becomes an ERROR event."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given, strategies as st

from batonmq.protocols.amqp10.codec.constants import (
    AMQP_HEADER,
    ERROR,
    FRAME,
    FRAME_LIMIT,
    HEADER,
    HEARTBEAT,
    SASL,
    SASL_HEADER,
    TRANSFER,
)
from batonmq.protocols.amqp10.codec.encoder import (
    HEARTBEAT as HEARTBEAT_FRAME,
    append_transfers,
    frame,
    sasl_frame,
    transfer_prefix,
)
from batonmq.protocols.amqp10.codec.frames import Event, FrameParser
from batonmq.protocols.amqp10.codec.performatives import (
    Accepted,
    Attach,
    Begin,
    Close,
    DeliveryState,
    Disposition,
    End,
    Error,
    Flow,
    Open,
    Rejected,
    Released,
    SaslInit,
    SaslMechanisms,
    SaslOutcome,
    TransactionalState,
    Transfer,
)
from batonmq.protocols.amqp10.codec.values import Symbol, UInt, decode, encode

OPEN = frame(0, Open(container_id="c"))


def opened(max_frame_size: int = 1 << 20) -> FrameParser:
    """A parser that has seen the protocol header."""
    parser = FrameParser(max_frame_size)
    assert parser.feed(AMQP_HEADER) == [(HEADER, AMQP_HEADER)]
    return parser


def raw(body: bytes, *, kind: int = 0, channel: int = 0, offset: int = 2, size: int | None = None) -> bytes:
    """A frame whose head may lie."""
    return struct.pack(">IBBH", 8 + len(body) if size is None else size, offset, kind, channel) + body


def transfers(count: int, size: int = 16, first: int = 1000, handle: int = 0, channel: int = 0) -> bytes:
    """Transfers of one link."""
    out: list[bytes] = []
    prefix = transfer_prefix(channel, handle, settled=False)
    append_transfers(out, prefix, first, [bytes(size)] * count, 1 << 20)
    return b"".join(out)


# ---------------------------------------------------------------------- headers


def test_a_connection_begins_with_headers_and_frames_all_at_once() -> None:
    data = (
        SASL_HEADER
        + sasl_frame(SaslInit(mechanism="PLAIN", initial_response=b"\0a\0b"))
        + AMQP_HEADER
        + OPEN
        + frame(3, Begin(next_outgoing_id=0, incoming_window=1, outgoing_window=1))
        + HEARTBEAT_FRAME
        + frame(3, End())
    )
    expected: list[Event] = [
        (HEADER, SASL_HEADER),
        (SASL, SaslInit(mechanism="PLAIN", initial_response=b"\0a\0b")),
        (HEADER, AMQP_HEADER),
        (FRAME, 0, Open(container_id="c"), b""),
        (FRAME, 3, Begin(next_outgoing_id=0, incoming_window=1, outgoing_window=1), b""),
        (HEARTBEAT,),
        (FRAME, 3, End(), b""),
    ]
    assert FrameParser().feed(data) == expected
    parser = FrameParser()
    assert [event for octet in data for event in parser.feed(bytes((octet,)))] == expected


@pytest.mark.parametrize(
    "header", [b"GET / HT", b"AMQP\x00\x00\x09\x01", b"AMQP\x02\x01\x00\x00", b"CONNECT\n", bytes(8)]
)
def test_another_protocol_is_told_and_nothing_of_it_parsed(header: bytes) -> None:
    parser = FrameParser()
    assert parser.feed(header[:7]) == []
    assert parser.feed(header[7:] + OPEN) == [(HEADER, header)]
    assert parser.dead
    assert parser.feed(OPEN) == []


# ---------------------------------------------------------------------- frames


def test_an_extended_header_is_skipped() -> None:
    """§2.3.1."""
    body = OPEN[8:]
    parser = opened()
    assert parser.feed(raw(bytes(4) + body, offset=3)) == [(FRAME, 0, Open(container_id="c"), b"")]
    assert parser.feed(raw(bytes(1012) + body, offset=255)) == [(FRAME, 0, Open(container_id="c"), b"")]
    assert parser.feed(raw(bytes(8), offset=4)) == [(HEARTBEAT,)]
    plain = transfers(2)
    size = len(plain) // 2
    event = parser.feed(raw(bytes(4) + plain[8:size], offset=3))[0]
    assert event == (*parser.feed(plain[size:])[0][:3], 1000, struct.pack(">I", 1000), bytes(16))


def test_what_follows_a_performative_is_its_payload() -> None:
    assert opened().feed(frame(1, End(), b"xyz")) == [(FRAME, 1, End(), b"xyz")]


@pytest.mark.parametrize(
    ("data", "condition", "text"),
    [
        (raw(b"", size=7), "amqp:connection:framing-error", "7 octets"),
        (raw(b"", size=0), "amqp:connection:framing-error", "0 octets"),
        (raw(b"", offset=1), "amqp:connection:framing-error", "octet 4"),
        (raw(b"", offset=0), "amqp:connection:framing-error", "octet 0"),
        (raw(b"", offset=3), "amqp:connection:framing-error", "octet 12"),
        (raw(b"", size=1025), "amqp:connection:framing-error", "at most 1024"),
        (raw(b"", size=2**32 - 1), "amqp:connection:framing-error", "at most 1024"),
        (raw(b"", kind=2), "amqp:connection:framing-error", "type 2"),
        (raw(OPEN[8:], kind=255), "amqp:connection:framing-error", "type 255"),
        (raw(OPEN[8:], kind=1), "amqp:decode-error", "amqp:open:list does not belong"),
        (raw(b"", kind=1), "amqp:decode-error", "middle"),
        (raw(sasl_frame(SaslInit(mechanism="A"))[8:]), "amqp:decode-error", "does not belong"),
        (sasl_frame(SaslInit(mechanism="A"))[:-1] + b"Ax", "amqp:", ""),
        (raw(encode(Symbol("x"))), "amqp:decode-error", "no descriptor"),
        (raw(b"\x00\x53\x24\x45"), "amqp:decode-error", "amqp:accepted:list does not belong"),
        (raw(b"\x00\x53\x99\x45"), "amqp:decode-error", "no composite type"),
        (raw(b"\x00\x53\x10\x45"), "amqp:invalid-field", "container-id"),
        (raw(b"\x00\x53\x10\xc0\xff\x01"), "amqp:decode-error", "longer"),
        (raw(b"\x00\x53\x14\xc0\x01"), "amqp:decode-error", ""),
        (raw(b"\x00\x53\x14\xc0\xff\x03\x43\x43\xa0\x01x"), "amqp:decode-error", "longer"),
        (frame(0, Transfer(handle=0, delivery_id=0, delivery_tag=b"")) + raw(b"\x00\x53\x14\x45"), "", "handle"),
        (raw(b"\x00\x53\x14\xc0\x26\x03\x43\x43\xa0\x21" + bytes(33)), "amqp:invalid-field", "33 octets"),
        (frame(9, End()), "amqp:connection:framing-error", "channel 9"),
    ],
    ids=range(23),
)
def test_faults_of_the_peer(data: bytes, condition: str, text: str) -> None:
    parser = opened()
    parser.limit(1024, 8)
    *_, event = parser.feed(data + OPEN)
    assert event[0] == ERROR
    assert event[1].startswith(condition)
    assert text in event[2]
    assert parser.dead
    assert parser.feed(OPEN) == []


def test_a_frame_that_is_too_large_is_refused_when_its_head_is_there() -> None:
    parser = opened(512)
    assert parser.feed(raw(b"", size=512)) == []
    parser = opened(512)
    assert parser.feed(raw(b"", size=513))[0][0] == ERROR
    parser = opened(512)
    parser.limit(1024)
    assert parser.feed(raw(b"", size=1024)) == []
    parser = opened()
    parser.limit(2**32 - 1)
    assert parser.feed(raw(b"", size=FRAME_LIMIT)) == []


def test_limits_hold_for_transfers_like_the_last() -> None:
    parser = opened()
    parser.feed(transfers(2))
    parser.limit(512)
    assert parser.feed(transfers(1, size=16))[0][0] == TRANSFER
    event = parser.feed(transfers(1, size=1000))[0]
    assert event[:2] == (ERROR, "amqp:connection:framing-error")


# ---------------------------------------------------------------------- transfers


def test_transfers_of_a_link_share_their_shape() -> None:
    parser = opened()
    events = parser.feed(transfers(3) + transfers(2, size=300) + transfers(2, first=0) + transfers(2, first=254))
    assert [event[0] for event in events] == [TRANSFER] * 9
    shapes = {id(event[2]) for event in events if event[0] == TRANSFER}
    assert len(shapes) == 1
    assert events[0] == (
        TRANSFER,
        0,
        Transfer(handle=0, message_format=0, settled=False),
        1000,
        struct.pack(">I", 1000),
        bytes(16),
    )
    assert [event[3] for event in events if event[0] == TRANSFER] == [1000, 1001, 1002, 1000, 1001, 0, 1, 254, 255]


# Each way to write a delivery-id and a tag; the id is 7 or 300 or 0 or absent.
IDS: list[tuple[bytes, int | None]] = [
    (b"\x43", 0),
    (b"\x52\x07", 7),
    (b"\x70\x00\x00\x00\x07", 7),
    (b"\x70\x00\x00\x01\x2c", 300),
    (b"\x40", None),
]
TAGS: list[tuple[bytes, bytes | None]] = [
    (b"\xa0\x00", b""),
    (b"\xa0\x03abc", b"abc"),
    (b"\xb0\x00\x00\x00\x03abc", b"abc"),
    (b"\xa0\x20" + b"t" * 32, b"t" * 32),
    (b"\x40", None),
]
HANDLES: list[tuple[bytes, int]] = [(b"\x43", 0), (b"\x52\x09", 9), (b"\x70\x00\x00\x00\x09", 9)]
DESCRIPTORS = [b"\x00\x53\x14", b"\x00\x80\x00\x00\x00\x00\x00\x00\x00\x14", b"\x00\xa3\x12amqp:transfer:list"]
TAILS: list[tuple[list[bytes], dict[str, object]]] = [
    ([], {}),
    ([b"\x40"], {}),
    ([b"\x43", b"\x41"], {"message_format": 0, "settled": True}),
    ([b"\x40", b"\x56\x00", b"\x41"], {"settled": False, "more": True}),
    (
        [b"\x43", b"\x42", b"\x42", b"\x50\x01", TransactionalState(txn_id=b"x").encoded(), b"\x42", b"\x41", b"\x41"],
        {
            "message_format": 0,
            "settled": False,
            "more": False,
            "rcv_settle_mode": 1,
            "state": TransactionalState(txn_id=b"x"),
            "resume": False,
            "aborted": True,
            "batchable": True,
        },
    ),
]


@pytest.mark.parametrize("is_long", [False, True])
@pytest.mark.parametrize("descriptor", DESCRIPTORS)
@pytest.mark.parametrize(("tail", "fields"), TAILS)
def test_every_way_to_write_a_transfer(
    descriptor: bytes, is_long: bool, tail: list[bytes], fields: dict[str, object]
) -> None:
    parser = opened()
    shapes: dict[int, set[int]] = {}
    for handle_bytes, handle in HANDLES:
        for id_bytes, delivery_id in IDS:
            for tag_bytes, tag in TAGS:
                body = handle_bytes + id_bytes + tag_bytes + b"".join(tail)
                count = 3 + len(tail)
                if is_long:
                    head = b"\xd0" + struct.pack(">II", 4 + len(body), count)
                else:
                    head = b"\xc0" + bytes((1 + len(body), count))
                data = raw(descriptor + head + body + b"payload", channel=2)
                # The second time as one like the last.
                for event in (*parser.feed(data), *parser.feed(data + data)):
                    assert event[0] == TRANSFER
                    assert event[1:2] + event[3:] == (2, delivery_id, tag, b"payload")
                    assert event[2] == Transfer(handle=handle, **fields)  # type: ignore[arg-type]
                    shapes.setdefault(handle, set()).add(id(event[2]))
                    assert type(event[5]) is bytes
    assert not parser.dead
    assert {handle: len(found) for handle, found in shapes.items()} == {0: 1, 9: 1}


def test_memory_for_shapes_is_bounded() -> None:
    parser = opened()
    for number in range(2_000):
        state = TransactionalState(txn_id=b"%d" % number)
        shape = Transfer(handle=number, delivery_id=number, delivery_tag=b"x", state=state)
        event = parser.feed(frame(0, shape))[0]
        assert event[0] == TRANSFER
        assert event[2].state == state
    assert len(parser._transfers._shapes) <= 256
    assert len(parser._transfers._templates) <= 256


def test_transfers_of_links_in_turn() -> None:
    """On several channels, with handles of each size, and tags of different lengths."""
    parser = opened()
    expected = []
    data = b""
    for number in range(60):
        handle = (0, 1, 255, 256, 70_000)[number % 5]
        shape = Transfer(handle=handle, message_format=0, settled=number % 3 == 0)
        tag = b"t" * (number % 4)
        channel = number % 2
        expected.append((TRANSFER, channel, shape, 250 + number, tag, bytes(number % 7)))
        whole = Transfer(
            handle=handle, delivery_id=250 + number, delivery_tag=tag, message_format=0, settled=number % 3 == 0
        )
        data += frame(channel, whole, bytes(number % 7))
    assert parser.feed(data) == expected
    assert parser.feed(data) == expected


# ---------------------------------------------------------------------- dispositions


@pytest.mark.parametrize("first", [b"\x43", b"\x52\x07", b"\x70\x00\x00\x00\x07", b"\x70\x00\x00\x01\x2c"])
@pytest.mark.parametrize(
    "last", [None, b"\x40", b"\x43", b"\x52\x09", b"\x70\x00\x00\x00\x09", b"\x70\x00\x00\x01\x2d"]
)
@pytest.mark.parametrize("tail", [[], [b"\x41"], [b"\x42", Accepted().encoded()], [b"\x56\x01", b"\x40", b"\x41"]])
@pytest.mark.parametrize("role", [b"\x41", b"\x42", b"\x56\x01"])
def test_every_way_to_write_a_disposition(first: bytes, last: bytes | None, tail: list[bytes], role: bytes) -> None:
    if last is None and tail:
        tail = []
    fields = [role, first, *([last] if last is not None else []), *tail]
    found = []
    for head in (b"\x00\x53\x15\xc0", b"\x00\x53\x15\xd0", b"\x00\xa3\x15amqp:disposition:list\xc0"):
        body = b"".join(fields)
        is_long = head.endswith(b"\xd0")
        counts = struct.pack(">II" if is_long else ">BB", len(body) + (4 if is_long else 1), len(fields))
        data = raw(head + counts + body, channel=3)
        parser = opened()
        events = parser.feed(data) + parser.feed(data + data) + parser.feed(data)
        assert len(events) == 4
        assert all(event == events[0] for event in events)
        found.append(events[0])
    assert all(event == found[0] for event in found)
    kind, channel, disposition, payload = found[0]  # type: ignore[misc]
    assert (kind, channel, payload) == (FRAME, 3, b"")
    assert isinstance(disposition, Disposition)
    assert disposition.role == (role != b"\x42")
    assert disposition.first == decode(first)[0]
    assert disposition.last == (None if last is None else decode(last)[0])


def test_dispositions_of_different_kinds_in_turn() -> None:
    said = []
    for number in range(80):
        states: list[DeliveryState | None] = [Accepted(), Released(), None, Rejected(error=Error(condition="a"))]
        said.append(
            Disposition(
                role=number % 2 == 0,
                first=UInt(230 + number),
                last=UInt(230 + number + number % 60) if number % 3 else None,
                settled=True if number % 5 else None,
                state=states[number % 4],
            )
        )
    data = b"".join(frame(number % 2, one) for number, one in enumerate(said))
    parser = opened()
    expected = [(FRAME, number % 2, one, b"") for number, one in enumerate(said)]
    assert parser.feed(data) == expected
    assert parser.feed(data) == expected


def test_limits_that_come_later_hold_for_what_is_like_something_before() -> None:
    disposition = frame(9, Disposition(role=True, first=1, settled=True, state=Accepted()))
    for data in (transfers(1, channel=9), disposition):
        parser = opened()
        parser.feed(data * 3)
        parser.limit(512, 8)
        assert parser.feed(data)[0][0] == ERROR


# ---------------------------------------------------------------------- in any pieces

STREAM = b"".join(
    (
        SASL_HEADER,
        sasl_frame(SaslMechanisms(sasl_server_mechanisms=["PLAIN"])),
        sasl_frame(SaslOutcome(code=0)),
        AMQP_HEADER,
        OPEN,
        frame(1, Begin(next_outgoing_id=0, incoming_window=1, outgoing_window=1)),
        frame(1, Attach(name="l", handle=0, role=False)),
        transfers(4),
        HEARTBEAT_FRAME,
        transfers(2, size=600),
        transfers(2, handle=3, channel=4),
        frame(1, Disposition(role=True, first=0, last=4, settled=True, state=Accepted())),
        frame(1, Disposition(role=True, first=5, state=Rejected())),
        frame(1, Flow(incoming_window=4)),
        frame(0, Close()),
    )
)


def in_pieces(data: bytes, sizes: list[int]) -> list[Event]:
    parser = FrameParser(1 << 16)
    events: list[Event] = []
    at = 0
    for size in sizes:
        events += parser.feed(data[at : at + size])
        at += size
    return events + parser.feed(data[at:])


@given(st.lists(st.integers(0, 80), max_size=60))
def test_pieces_do_not_matter(sizes: list[int]) -> None:
    assert in_pieces(STREAM, sizes) == in_pieces(STREAM, [])


@given(st.data())
def test_whatever_is_fed_there_are_events_and_no_more_than_an_error(data: st.DataObject) -> None:
    """Octets changed, cut out and put in, in pieces: the same events as whole, an ERROR only at the end."""
    stream = bytearray(STREAM)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(8, len(stream) - 1))
        stream[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    sizes = data.draw(st.lists(st.integers(0, 200), max_size=10))
    whole = in_pieces(bytes(stream), [])
    assert in_pieces(bytes(stream), sizes) == whole
    assert all(event[0] != ERROR for event in whole[:-1])


@given(st.binary(max_size=200))
def test_any_bytes_behind_the_header(data: bytes) -> None:
    events = in_pieces(AMQP_HEADER + data, [])
    assert in_pieces(AMQP_HEADER + data, [9, 1, 3, 11]) == events


# Fields as somebody might write them, by how many octets they have.
FIELDS = {
    1: [b"\x40", b"\x41", b"\x42", b"\x43", b"\x44", b"\xff"],
    2: [b"\x52\x01", b"\x52\x40", b"\x52\x41", b"\x56\x01", b"\x56\x00", b"\xa0\x00", b"\x40\x41"],
    3: [b"\xa0\x01\x41", b"\xa0\x01\x52", b"\xa0\x02\x41", b"\x52\x01\x41"],
    4: [b"\x00\x53\x24\x45", b"\x00\x53\x26\x45", b"\xa0\x02\x41\x43", b"\x41\x00\x53\x24"],
    5: [b"\x70\x00\x00\x00\x01", b"\x70\x00\x00\x01\x00", b"\x70\x52\x41\x43\x40", b"\xb0\x00\x00\x00\x00"],
}
USUAL = {
    b"\x14": [b"\x43", b"\x70\x00\x00\x01\x07", b"\xa0\x01\x41", b"\x43", b"\x42", b"\x52\x01"],
    b"\x15": [b"\x41", b"\x70\x00\x00\x01\x07", b"\x40", b"\x41", b"\x00\x53\x24\x45"],
}


def framed(code: bytes, fields: list[bytes], payload: bytes = b"", channel: int = 0) -> bytes:
    body = b"".join(fields)
    return raw(b"\x00\x53" + code + b"\xc0" + bytes((len(body) + 1, len(fields))) + body + payload, channel=channel)


@st.composite
def frames_alike(draw: st.DrawFn) -> list[bytes]:
    """Transfers or dispositions that have most of their octets in common."""
    code = draw(st.sampled_from(list(USUAL)))
    found = []
    for _ in range(draw(st.integers(2, 6))):
        fields = list(USUAL[code])
        for _ in range(draw(st.integers(0, 2))):
            at = draw(st.integers(0, len(fields) - 1))
            fields[at] = draw(st.sampled_from(FIELDS[draw(st.sampled_from([len(fields[at]), 1, 2]))]))
        if draw(st.booleans()):
            del fields[draw(st.integers(2, len(fields))) :]
        payload = draw(st.sampled_from([b"", b"", b"\x40", b"\x41\x41"]))
        found.append(framed(code, fields, payload, draw(st.sampled_from([0, 0, 1]))))
    return found


def check_comparison(frames: list[bytes]) -> None:
    """A parser that has seen others, and one that has seen nothing, tell the same of each."""
    fresh = [opened().feed(each) for each in frames]
    good = [each for each, events in zip(frames, fresh, strict=True) if events[0][0] != ERROR]
    seen = b"".join(each + each for each in good)
    for each, events in zip(frames, fresh, strict=True):
        parser = opened()
        parser.feed(seen)
        assert parser.feed(each) == events
        for other in good:
            parser = opened()
            parser.feed(other + other)
            assert parser.feed(each) == events


@given(frames_alike())
def test_what_is_read_by_comparison_is_what_it_would_be_if_it_were_decoded(frames: list[bytes]) -> None:
    check_comparison(frames)


# What differs in one place, with as many fields and octets.
ALIKE: list[tuple[bytes, list[bytes], list[bytes]]] = [
    (
        b"\x14",
        [b"\x43", b"\x52\x07", b"\xa0\x01\x41", b"\x43", b"\x41"],
        [b"\x43", b"\x52\x07", b"\xa0\x01\x41", b"\x43", b"\x42"],
    ),
    (
        b"\x14",
        [b"\x43", b"\x52\x07", b"\xa0\x02\x41\x42", b"\x43"],
        [b"\x43", b"\x52\x07", b"\xa0\x01\x41", b"\x52\x43"],
    ),
    (b"\x14", [b"\x43", b"\x52\x07", b"\xa0\x01\x41"], [b"\x52\x43", b"\x43", b"\xa0\x01\x41"]),
    (b"\x14", [b"\x52\x01", b"\x52\x07", b"\xa0\x01\x41"], [b"\x52\x02", b"\x52\x07", b"\xa0\x01\x41"]),
    (
        b"\x14",
        [b"\x52\x01", b"\x52\x07", b"\xa0\x01\x41", b"\x43"],
        [b"\x52\x01", b"\x52\x07", b"\x40", b"\xa0\x01\x41"],
    ),
    (b"\x15", [b"\x41", b"\x52\x07", b"\x40", b"\x41"], [b"\x41", b"\x52\x07", b"\x40", b"\x42"]),
    (b"\x15", [b"\x41", b"\x52\x07", b"\x40", b"\x41"], [b"\x42", b"\x52\x07", b"\x40", b"\x41"]),
    (b"\x15", [b"\x41", b"\x52\x07", b"\x52\x09"], [b"\x41", b"\x52\x07", b"\x40\x41"]),
    (b"\x15", [b"\x41", b"\x52\x07", b"\x52\x09", b"\x41"], [b"\x41", b"\x52\x07", b"\x43", b"\x56\x01"]),
    (b"\x15", [b"\x56\x01", b"\x52\x07", b"\x43"], [b"\x56\x00", b"\x52\x07", b"\x43"]),
]


@pytest.mark.parametrize("case", range(len(ALIKE)))
def test_what_is_alike_and_is_not_the_same(case: int) -> None:
    code, *both = ALIKE[case]
    frames = [framed(code, fields, payload) for fields in both for payload in (b"", b"xyz")]
    frames += [framed(code, both[0], channel=1)]
    check_comparison(frames)


def test_small_pieces_of_a_frame_take_no_more_than_it() -> None:
    payload = bytes(range(256)) * 200
    data = frame(0, Transfer(handle=0, delivery_id=0, delivery_tag=b"x"), payload)
    for sizes in ([1], [5000, 1, 1, 4096, 4095], [1, 4096]):
        parser = opened()
        events: list[Event] = []
        at = number = 0
        while at < len(data):
            size = sizes[number % len(sizes)]
            events += parser.feed(data[at : at + size])
            at += size
            number += 1
            assert len(parser._held) <= 2 + 2 * at // 4095
        assert [event[0] for event in events] == [TRANSFER]
        assert events[0][5] == payload  # type: ignore[misc]


def test_a_large_frame_in_small_pieces_is_joined_once() -> None:
    payload = bytes(range(256)) * 256
    data = frame(0, Transfer(handle=0, delivery_id=0, delivery_tag=b"x"), payload)
    parser = opened()
    events: list[Event] = []
    for at in range(0, len(data), 7):
        events += parser.feed(data[at : at + 7])
    assert [event[0] for event in events] == [TRANSFER]
    assert events[0][5] == payload  # type: ignore[misc]
