"""What is read from octets to octets is what the values make that stand there."""

from __future__ import annotations

import uuid

import pytest
from hypothesis import given, strategies as st

from batonmq.properties import AMQP10_TYPE, Properties
from batonmq.protocols.amqp10.codec.performatives import Header, MessageProperties
from batonmq.protocols.amqp10.codec.sections import Sections
from batonmq.protocols.amqp10.codec.values import (
    Byte,
    DecodeError,
    Float,
    Int,
    Long,
    Short,
    Symbol,
    Timestamp,
    UByte,
    UInt,
    ULong,
    UShort,
    encode,
)
from batonmq.protocols.amqp10.dialects import RABBITMQ, SPEC, Dialect
from batonmq.protocols.amqp10.messages.direct import DirectReader
from batonmq.protocols.amqp10.messages.heads import Head
from batonmq.protocols.amqp10.messages.incoming import MessageReader
from batonmq.protocols.amqp10.messages.leads import lead_of
from tests.support.amqp10_messages import build, data, value
from tests.support.driven import HandClock

CLOCK = HandClock()
MOMENT = 1_700_000_000_123

# ---------------------------------------------------------------------- messages

headers = st.sampled_from([None, Header(durable=True), Header(priority=UByte(9), ttl=UInt(60_000))])
notes: st.SearchStrategy[dict[str, object] | None] = st.sampled_from(
    [
        None,
        {"x-opt-jms-msg-type": Byte(5), "x-opt-jms-dest": Byte(0)},
        {"x-opt-rabbitmq-received-time": Timestamp(MOMENT), "name": "of an annotation"},
        {"x-basic-type": "t", "JMSXGroupID": "g"},
    ]
)
texts = st.one_of(st.none(), st.text(max_size=5), st.sampled_from(["q", "/queues/q%20r", "é" * 100, "x" * 300, "a\0"]))
symbols = st.one_of(st.none(), st.sampled_from([Symbol("text/plain"), Symbol("x" * 200), Symbol("x" * 300)]))
times = st.one_of(st.none(), st.integers(MOMENT, MOMENT + 9).map(Timestamp), st.integers(-(2**63), 0).map(Timestamp))
ids = st.one_of(
    st.none(), st.text(max_size=3), st.integers(0, 2**64 - 1).map(ULong), st.uuids(), st.binary(max_size=3), texts
)
lists = st.builds(
    MessageProperties,
    message_id=ids,
    user_id=st.one_of(st.none(), st.binary(max_size=3), st.just(b"guest")),
    to=texts,
    subject=texts,
    reply_to=texts,
    correlation_id=st.one_of(st.none(), ids),
    content_type=symbols,
    content_encoding=symbols,
    absolute_expiry_time=st.one_of(st.none(), st.just(Timestamp(0)), times),
    creation_time=times,
    group_id=texts,
    group_sequence=st.one_of(st.none(), st.integers(0, 2**32 - 1).map(UInt)),
    reply_to_group_id=st.one_of(st.none(), texts),
)
names = st.one_of(
    st.text(max_size=3),
    st.sampled_from(["name", "number", "é" * 127, "_AMQ_DUPL_ID", "x-opt-jms-dest", "JMSXGroupSeq", "timestamp_in_ms"]),
)
simple: st.SearchStrategy[object] = st.one_of(
    st.none(),
    st.booleans(),
    st.text(max_size=3),
    st.just("x" * 300),
    st.binary(max_size=3),
    st.just(b"x" * 300),
    st.floats(),
    st.floats(width=32).map(Float),
    *[
        st.integers(low, high).map(kind)
        for kind, low, high in (
            (UByte, 0, 2**8 - 1),
            (UShort, 0, 2**16 - 1),
            (UInt, 0, 2**32 - 1),
            (ULong, 0, 2**64 - 1),
            (Byte, -(2**7), 2**7 - 1),
            (Short, -(2**15), 2**15 - 1),
            (Int, -(2**31), 2**31 - 1),
            (Int, -130, 130),
            (Long, -(2**63), 2**63 - 1),
            (Long, -130, 130),
            (Timestamp, -(2**63), 2**63 - 1),
        )
    ],
    st.uuids(),
    st.lists(st.integers(0, 3).map(Int), max_size=2),
)
bodies = st.sampled_from([data(b"body"), data(b"x" * 300), value("text"), value(Int(1)), data(b"1") + data(b"2"), b""])


@st.composite
def messages(draw: st.DrawFn) -> bytes:
    made = build(
        header=draw(headers),
        annotations=draw(notes),
        properties=draw(st.one_of(st.none(), lists, lists)),
        application=draw(st.one_of(st.none(), st.dictionaries(names, simple, max_size=3))),
        body=draw(bodies),
        footer=draw(st.sampled_from([None, None, None, {"x-opt-f": "f"}])),
    )
    if draw(st.integers(0, 4)) == 0 and made:
        at = draw(st.integers(0, len(made) - 1))
        octet = draw(st.sampled_from([b"", b"\x00", b"\x40", b"\xff", b"\xa1", b"\x83", b"\xb1"]))
        made = made[:at] + octet + made[at + 1 :]
    return made


@st.composite
def runs(draw: st.DrawFn) -> list[bytes]:
    """Messages of one link, some of which have much in common."""
    found = draw(st.lists(messages(), min_size=1, max_size=4))
    shared = draw(lists)
    for number in range(draw(st.integers(0, 4))):
        shared.message_id = draw(
            st.sampled_from([f"ID:{number}", "é", ULong(number), uuid.UUID(int=number), b"", None])
        )
        shared.creation_time = draw(times)
        application = draw(st.one_of(st.none(), st.dictionaries(names, simple, max_size=2)))
        found.append(
            build(
                header=Header(ttl=UInt(5)) if draw(st.booleans()) else None,
                properties=shared,
                application=application,
                body=draw(bodies),
            )
        )
    return draw(st.permutations(found + found))


# ---------------------------------------------------------------------- read


def read(reader: MessageReader, came: bytes) -> tuple[Properties, bool, bool, int, bytes, bytes] | None:
    """What a message is read as; None: it is malformed."""
    try:
        message = reader.read(came, "", "q")
    except DecodeError:
        return None
    made = message.properties
    return made, made.persistent, made.plain, made.priority, message.body, message.payload


@given(runs(), st.sampled_from([SPEC, RABBITMQ]))
def test_nothing_else_is_read_than_the_values_tell(run: list[bytes], spoken: Dialect) -> None:
    reader = MessageReader(CLOCK, spoken)
    asked = MessageReader(CLOCK, spoken)
    for came in run:
        found = read(reader, came)
        if not came:
            assert found is None
            continue
        try:
            head = Head(Sections(came), is_durable=spoken.is_durable_unsaid, encodes_values=spoken.encodes_values)
        except DecodeError:
            assert found is None
            continue
        assert (asked.address_of(came), asked.subject_of(came)) == (head.to, head.subject)
        assert found == read(MessageReader(CLOCK, spoken), came) == read(asked, came)
        if found is not None and not head.expires_at:
            made = head.properties if found[0].type != AMQP10_TYPE else head.encoded()
            assert found[:4] == (made, made.persistent, made.plain, made.priority)


@given(runs())
def test_runs_are_read_like_their_messages(run: list[bytes]) -> None:
    reader = MessageReader(CLOCK, SPEC)
    left = run
    while left:
        for message, came in zip(reader.read_plain(left, "", "q"), left, strict=False):
            expected = MessageReader(CLOCK, SPEC).read(came, "", "q")
            assert message.properties == expected.properties
            assert message.properties.plain
            assert (message.body, message.payload, message.weight) == (
                expected.body,
                expected.payload,
                expected.weight,
            )
            left = left[1:]
        if left:
            read(reader, left[0])
            left = left[1:]


COMMON = MessageProperties(
    message_id="ID:1",
    user_id=b"guest",
    to="queue://q",
    subject="s",
    reply_to="temp-queue://r",
    content_type=Symbol("text/plain"),
    creation_time=Timestamp(MOMENT),
    group_id="g",
    group_sequence=UInt(1),
)


@pytest.mark.parametrize("identifier", ["ID:2", "", "é", ULong(0), ULong(7), ULong(2**64 - 1), uuid.UUID(int=5)])
@pytest.mark.parametrize("application", [None, {"a": "b", "n": Int(-1), "l": Long(2**40), "b": True, "f": 0.5}])
def test_what_most_clients_send_is_read_directly(identifier: object, application: dict[str, object] | None) -> None:
    def message(held: object) -> bytes:
        COMMON.message_id = held  # type: ignore[assignment]
        return build(
            header=Header(durable=True, priority=UByte(4)),
            annotations={"x-opt-jms-msg-type": Byte(5), "x-opt-jms-dest": Byte(0)},
            properties=COMMON,
            application=application,
            body=value("text"),
        )

    direct = DirectReader(encodes_values=False)
    direct.follow(lead_of(Sections(message("ID:1")), is_durable=False))
    for held in ("ID:1", identifier, "ID:1"):
        came = message(held)
        made = direct.read(came)
        assert made == Head(Sections(came), is_durable=False, encodes_values=False).properties
        assert direct.has_ids
        assert direct.to == "queue://q"
        assert came[direct.size :] == encode("text")
