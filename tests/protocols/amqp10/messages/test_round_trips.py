"""Messages of whatever form come back as they were: through a queue, the file, dead letters, another protocol."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, example, given, settings, strategies as st

from batonmq.message import Message
from batonmq.properties import Properties
from batonmq.protocols.amqp10.codec.performatives import Header, MessageProperties
from batonmq.protocols.amqp10.codec.values import Char, DecodeError, Int, Symbol, Timestamp, UByte, UInt, ULong, encode
from batonmq.protocols.amqp10.dialects import SPEC
from batonmq.protocols.amqp10.messages.incoming import MessageReader
from batonmq.protocols.amqp10.messages.outgoing import MessageWriter
from batonmq.protocols.stomp.dialects import DIALECTS
from batonmq.protocols.stomp.message_headers import shown_headers
from batonmq.protocols.stomp.properties import properties_of
from tests.protocols.amqp10.messages.test_field_values import any_field, names, typed
from tests.support.amqp10_messages import SEQUENCE, build, data, queued, read, value
from tests.support.driven import Driven, HandClock

CLOCK = HandClock()
READER = MessageReader(CLOCK, SPEC)
WRITER = MessageWriter(SPEC)
NOW = int(CLOCK.time() * 1000)

# ---------------------------------------------------------------------- AMQP 1.0 to AMQP 1.0

ids = st.one_of(
    st.none(), st.text(max_size=300), st.binary(max_size=20), st.uuids(), st.integers(0, 2**64 - 1).map(ULong)
)
texts = st.one_of(st.none(), st.text(max_size=300))
ascii_texts = st.one_of(st.none(), st.text(st.characters(max_codepoint=127), max_size=300).map(Symbol))
times = st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1).map(Timestamp))
simple: st.SearchStrategy[object] = st.one_of(
    st.none(),
    st.booleans(),
    st.text(),
    st.binary(),
    st.floats(allow_nan=False),
    st.integers(-(2**31), 2**31 - 1).map(Int),
    st.integers(0, 2**64 - 1).map(ULong),
    st.uuids(),
    st.characters(codec="utf-8").map(Char),
    times,
)
nested = st.recursive(
    simple,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.one_of(st.text(), st.integers(0, 9).map(Int)), inner, max_size=3),
    ),
    max_leaves=8,
)
property_sections = st.builds(
    MessageProperties,
    message_id=ids,
    user_id=st.one_of(st.none(), st.binary(max_size=300)),
    to=texts,
    subject=texts,
    reply_to=texts,
    correlation_id=ids,
    content_type=ascii_texts,
    content_encoding=ascii_texts,
    absolute_expiry_time=st.none(),
    creation_time=times,
    group_id=texts,
    group_sequence=st.one_of(st.none(), st.integers(0, 2**32 - 1).map(UInt)),
    reply_to_group_id=texts,
)
notes = st.one_of(
    st.none(),
    st.dictionaries(
        st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=20).map("x-opt-t".__add__),
        nested,
        max_size=3,
    ),
)
bodies = st.one_of(
    st.binary().map(data),
    st.lists(st.binary(), min_size=2, max_size=4).map(lambda parts: b"".join(map(data, parts))),
    st.lists(st.lists(nested, max_size=3), min_size=1, max_size=3).map(
        lambda parts: b"".join(SEQUENCE + encode(part) for part in parts)
    ),
    nested.map(value),
    st.just(b""),
)


@st.composite
def messages(draw: st.DrawFn) -> bytes:
    return build(
        # Only what is durable outlives a crash.
        header=draw(st.builds(Header, durable=st.just(True), priority=st.integers(0, 255).map(UByte))),
        annotations=draw(notes),
        properties=draw(property_sections),
        application=draw(st.one_of(st.none(), st.dictionaries(st.text(max_size=300), simple, max_size=3))),
        body=draw(bodies),
        footer=draw(notes),
    )


def same(driven: Driven) -> str:
    return "q"


def crash(driven: Driven) -> str:
    driven.crash()
    return "q"


def dead_letter(driven: Driven) -> str:
    queue = driven.operations.find_queue("q")
    held = queue.get()
    assert held is not None
    queue.reject(held, "broken")
    driven.settle()
    return "dead"


def dead_letter_and_crash(driven: Driven) -> str:
    name = dead_letter(driven)
    driven.crash()
    return name


def replay(driven: Driven) -> str:
    dead_letter(driven)
    driven.operations.replay_queue("dead", lambda _: None)
    driven.settle()
    return "q"


def through(message: Message, way: Callable[[Driven], str]) -> Message:
    """The message that comes out of a queue, after all that."""
    with TemporaryDirectory() as folder:
        driven = Driven(Path(folder) / "store.db")
        driven.queue("dead")
        driven.queue("q", x_dead_letter_exchange="", x_dead_letter_routing_key="dead")
        driven.operations.vhost.router.publish(message, driven.operations.resolve("", "q").targets)
        driven.settle()
        held = driven.operations.find_queue(way(driven)).get()
        assert held is not None
        driven.broker.close()
        return held.message


@pytest.mark.parametrize("way", [same, crash, dead_letter, dead_letter_and_crash, replay])
@settings(max_examples=15, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(came=messages())
def test_a_message_of_amqp_1_0_stays_what_it_is(way: Callable[[Driven], str], came: bytes) -> None:
    before = read(came)
    message = READER.read(came, "", "q")
    found = through(message, way)
    after = read(WRITER.sections(queued(found), NOW))
    assert after.bare == before.bare
    assert (after.header.durable, after.header.priority) == (True, before.header.priority)
    assert {name: after.annotations[name] for name in before.annotations} == before.annotations
    added = after.annotations.keys() - before.annotations.keys()
    if way in (dead_letter, dead_letter_and_crash):
        assert added >= {"x-opt-deaths", "x-reject-reason", "x-first-death-queue", "x-exchange", "x-routing-key"}
    else:
        assert added == {"x-exchange", "x-routing-key"}
    assert found.body == message.body


# ---------------------------------------------------------------------- 0-9-1 to AMQP 1.0 and back

# Names that mean something: what becomes of them is tested by name.
MEANT = (
    "x-opt-",
    "x-basic-",
    "x-header-",
    "x-exchange",
    "x-routing-key",
    "x-death",
    "x-cc",
    "x-group",
    "x-message-id",
    "x-correlation-id",
    "x-user-id",
    "x-subject",
    "x-reply-to",
    "x-content-",
    "CC",
    "JMSX",
    "timestamp_in_ms",
    "_AMQ_DUPL_ID",
)
headers = st.dictionaries(
    st.one_of(names, names.map("x-".__add__)).filter(lambda name: not name.startswith(MEANT)), any_field, max_size=4
)
short = st.one_of(st.none(), st.text(max_size=60))
any_properties = st.builds(
    Properties.make,
    content_type=short,
    content_encoding=short,
    headers=st.one_of(st.none(), headers.map(lambda table: table or None)),
    delivery_mode=st.sampled_from([None, 2]),
    priority=st.one_of(st.none(), st.integers(0, 255)),
    correlation_id=st.one_of(short, st.uuids().map(lambda each: f"urn:uuid:{each}")),
    reply_to=short.filter(lambda text: text is None or not text.startswith(("/", "queue:", "temp-queue:"))),
    message_id=st.one_of(short, st.uuids().map(str)),
    timestamp=st.one_of(st.none(), st.integers(-(2**50), 2**50)),
    type=short.filter(lambda text: text != "amqp-1.0"),
    user_id=short.filter(lambda text: text is None or "\0" not in text),
    cluster_id=short,
)


@given(any_properties, st.binary())
@example(Properties.make(reply_to="\r"), b"")
def test_a_message_of_0_9_1_comes_back_from_amqp_1_0(properties: Properties, body: bytes) -> None:
    raw = WRITER.sections(queued(Message("", "q", properties, body)), NOW)
    back = READER.read(raw, "", "q")
    assert back.body == body
    assert typed(dict(back.properties.headers or {})) == typed(dict(properties.headers or {}))
    assert back.properties.replace(headers=None) == properties.replace(headers=None)


@given(st.text(min_size=1, max_size=60), st.one_of(st.none(), st.text(max_size=60)))
def test_groups_come_back(group: str, app: str | None) -> None:
    properties = Properties.make(app_id=app, headers={"JMSXGroupID": group, "JMSXGroupSeq": 7})
    back = READER.read(WRITER.sections(queued(Message("", "q", properties, b"")), NOW), "", "q").properties
    assert back.headers == properties.headers
    assert back.app_id == (group if app is None else app)


# ---------------------------------------------------------------------- STOMP to AMQP 1.0 and back


def of_stomp(frame: Mapping[str, str], dialect: str, *, is_text: bool = False) -> Message:
    made = properties_of(frame, DIALECTS[dialect], persistent=True, is_text=is_text)
    return Message("", "q", made, b"hello")


@given(
    st.dictionaries(
        st.text(st.characters(categories=("L", "N")), min_size=1, max_size=30).map("h".__add__), st.text(max_size=300)
    )
)
def test_headers_of_stomp_are_application_properties(frame: dict[str, str]) -> None:
    found = read(WRITER.sections(queued(of_stomp(frame, "rabbitmq")), NOW))
    assert found.application == frame
    assert found.header.durable is True
    back = READER.read(found.data, "", "q").properties
    assert dict(shown_headers(back, DIALECTS["rabbitmq"])) == {"persistent": "true", **frame}


@pytest.mark.parametrize("dialect", sorted(DIALECTS))
def test_what_jms_knows_arrives_from_stomp(dialect: str) -> None:
    frame = {
        "priority": "7",
        "correlation-id": "corr",
        "type": "kind",
        "amqp-message-id": "id",
        "JMSXGroupID": "group",
        "content-type": "text/plain",
    }
    found = read(WRITER.sections(queued(of_stomp(frame, dialect, is_text=True), expires_at=NOW + 5_000), NOW))
    assert (found.header.durable, found.header.priority, found.header.ttl) == (True, 7, 5_000)
    assert (found.properties.message_id, found.properties.correlation_id) == ("id", "corr")
    assert (found.properties.subject, found.properties.group_id) == ("kind", "group")
    assert found.properties.content_type == "text/plain"
    assert found.bodies == ["hello"]
    assert found.annotations["x-opt-jms-msg-type"] == 5


@pytest.mark.parametrize("dialect", sorted(DIALECTS))
def test_what_jms_says_arrives_at_stomp(dialect: str) -> None:
    came = build(
        header=Header(durable=True, priority=UByte(7), ttl=UInt(5_000)),
        annotations={"x-opt-jms-msg-type": Int(5)},
        properties=MessageProperties(
            message_id="ID:1",
            correlation_id=uuid.UUID(int=1),
            subject="kind",
            creation_time=Timestamp(1_700_000_000_123),
            group_id="group",
            content_type=Symbol("text/plain"),
        ),
        application={"name": "value", "number": Int(5), "yes": True},
        body=value("hello"),
    )
    message = READER.read(came, "", "q")
    shown = dict(shown_headers(message.properties, DIALECTS[dialect]))
    assert message.body == b"hello"
    expected = {
        "persistent": "true",
        "priority": "7",
        "correlation-id": f"urn:uuid:{uuid.UUID(int=1)}",
        "type": "kind",
        "amqp-message-id": "ID:1",
        "content-type": "text/plain",
        "JMSXGroupID": "group",
        "name": "value",
        "number": "5",
        "yes": "true",
    }
    assert shown.items() >= expected.items()
    assert shown["timestamp"] in ("1700000000", "1700000000123")


# ---------------------------------------------------------------------- nothing is believed


@given(
    st.one_of(
        st.binary(), messages().flatmap(lambda raw: st.integers(0, len(raw)).map(lambda at: raw[:at] + raw[at + 1 :]))
    )
)
def test_whatever_comes_is_a_message_or_refused(raw: bytes) -> None:
    try:
        message = READER.read(raw, "", "q")
    except DecodeError:
        return
    message.properties.validate()
    assert 0 <= message.start <= message.start + message.size <= len(message.payload)
    assert read(WRITER.sections(queued(message), NOW)).annotations
