"""What a client gets over AMQP 1.0 of messages that came over any protocol."""

from __future__ import annotations

import uuid
from decimal import Decimal

import pytest

from batonmq import fields
from batonmq.fields import FieldValue
from batonmq.message import DeadLetter, Message
from batonmq.properties import Properties
from batonmq.protocols.amqp091.framing import frames_on
from batonmq.protocols.amqp10.codec.performatives import Header, MessageProperties
from batonmq.protocols.amqp10.codec.values import (
    Array,
    Byte,
    Decimal64,
    Int,
    Long,
    Symbol,
    Timestamp,
    UByte,
    UInt,
    ULong,
    encode,
)
from batonmq.protocols.amqp10.dialects import ACTIVEMQ, SPEC
from batonmq.protocols.amqp10.messages.incoming import MessageReader
from batonmq.protocols.amqp10.messages.outgoing import MessageWriter
from batonmq.queued import UNCOUNTED
from tests.support.amqp10_messages import SEQUENCE, Read, build, data, queued, read, value
from tests.support.driven import HandClock

NOW = 1_700_000_000_000
DEATH: dict[str, FieldValue] = {
    "count": fields.LongLong(2),
    "reason": "rejected",
    "queue": "q",
    "time": fields.Timestamp(1_700_000_000),
    "exchange": "e",
    "routing-keys": ["k", "l"],
    "original-expiration": "10",
}


def foreign(properties: Properties | None = None, body: bytes = b"body", **values: object) -> Message:
    made = properties if properties is not None else Properties.make(**values)  # type: ignore[arg-type]
    return Message("exchange", "key", made, body)


def came(message: bytes) -> Message:
    return MessageReader(HandClock(), SPEC).read(message, "exchange", "key")


def sent(message: Message, return_count: int = 0, expires_at: int = 0, writer: MessageWriter | None = None) -> Read:
    made = queued(message, return_count=return_count, expires_at=expires_at)
    return read((writer or MessageWriter(SPEC)).sections(made, NOW))


def properties_of(**values: object) -> dict[str, object]:
    """The properties that are there."""
    found = sent(foreign(Properties.make(**values))).properties  # type: ignore[arg-type]
    names = (part.name for part in found.LAYOUT)
    return {name: held for name in names if (held := getattr(found, name)) is not None}


def annotations_of(message: Message) -> dict[object, object]:
    """Those beside the address."""
    found = sent(message).annotations
    assert found.pop("x-exchange") == message.exchange
    assert found.pop("x-routing-key") == message.routing_key
    return found


# ---------------------------------------------------------------------- header


@pytest.mark.parametrize("message", [foreign(delivery_mode=2), came(build(header=Header(durable=True)))])
def test_a_message_that_is_delivered_for_the_first_time(message: Message) -> None:
    assert sent(message).header == Header(durable=True, first_acquirer=True)


@pytest.mark.parametrize("message", [foreign(priority=7), came(build(header=Header(priority=UByte(7))))])
def test_a_message_that_came_back_and_expires(message: Message) -> None:
    assert sent(message, return_count=3, expires_at=NOW + 5_000).header == Header(
        durable=False, priority=7, ttl=5_000, first_acquirer=False, delivery_count=3
    )
    assert sent(message, return_count=UNCOUNTED).header == Header(durable=False, priority=7, first_acquirer=False)
    assert sent(message, expires_at=NOW - 5_000).header.ttl == 0
    assert sent(message, expires_at=NOW + 2**40).header.ttl == 2**32 - 1


# ---------------------------------------------------------------------- messages of other protocols


def test_a_plain_message_is_a_section_of_data() -> None:
    for body in (b"", b"x", b"y" * 255, b"z" * 256, b"0" * 70_000):
        found = sent(foreign(body=body))
        assert found.bodies == [body]
        assert found.bare == data(body)
        assert found.annotations == {"x-exchange": "exchange", "x-routing-key": "key"}


def test_a_message_in_frames_of_0_9_1_gives_its_body_alone() -> None:
    message = Message("", "q", Properties.make(), b"[frames body end]", 8, 4, frames_on(1))
    assert sent(message).bodies == [b"body"]


def test_properties_by_their_names() -> None:
    assert properties_of(
        message_id="id",
        correlation_id="urn:uuid:00000000-0000-0000-0000-00000000004d",
        user_id="guest",
        reply_to="a/b",
        type="kind",
        content_type="text/plain",
        content_encoding="gzip",
        timestamp=1_700_000_000,
        app_id="app",
    ) == {
        "message_id": "id",
        "correlation_id": uuid.UUID(int=77),
        "user_id": b"guest",
        "reply_to": "/queues/a%2Fb",
        "subject": "kind",
        "content_type": "text/plain",
        "content_encoding": "gzip",
        "creation_time": 1_700_000_000_000,
        "group_id": "app",
    }
    assert annotations_of(foreign(type="kind", cluster_id="c")) == {"x-basic-type": "kind", "x-basic-cluster-id": "c"}


@pytest.mark.parametrize(
    "text",
    [
        "urn:uuid:00000000-0000-0000-0000-0000000000zz",
        "urn:uuid:00000000-0000-0000-0000-00000000004D",
        "urn:uuid:0000000000000000-0000-0000-00000000",
        "urn:uuid:",
        "",
    ],
)
def test_an_id_that_is_no_uuid_is_a_string(text: str) -> None:
    assert properties_of(message_id=text) == {"message_id": text}


@pytest.mark.parametrize("address", ["/exchanges/amq.topic/key", "/queue/old", "/topic/t", "/queues/q"])
def test_a_reply_address_stays_one(address: str) -> None:
    assert properties_of(reply_to=address) == {"reply_to": address}


def test_a_reply_address_is_one_of_the_dialect() -> None:
    found = sent(foreign(reply_to="q"), writer=MessageWriter(ACTIVEMQ))
    assert found.properties.reply_to == "temp-queue://q"
    assert properties_of(reply_to="/nonsense") == {"reply_to": "/queues/%2Fnonsense"}


def test_texts_that_are_no_unicode_are_octets() -> None:
    bad = "\udcff"
    message = foreign(message_id=bad, reply_to=bad, type=bad, content_type=bad, app_id=bad, cluster_id=bad, user_id=bad)
    found = sent(message).properties
    assert (found.message_id, found.user_id) == (b"\xff", b"\xff")
    assert (found.reply_to, found.subject, found.content_type, found.group_id) == (None,) * 4
    assert annotations_of(message) == {
        f"x-basic-{name}": b"\xff" for name in ("reply-to", "type", "content-type", "app-id", "cluster-id")
    }
    assert annotations_of(foreign(content_encoding="é")) == {"x-basic-content-encoding": "é"}


def test_an_address_that_is_no_unicode_is_shown_all_the_same() -> None:
    found = sent(Message("\udcff", "k\udcff", Properties.make(), b"")).annotations
    assert found == {"x-exchange": "\ufffd", "x-routing-key": "k\ufffd"}


def test_headers_are_application_properties_and_keep_their_types() -> None:
    headers: dict[str, FieldValue] = {
        "text": "é",
        "octets": b"\xff",
        "int": 5,
        "long": 2**40,
        "byte": fields.SignedByte(-1),
        "bool": True,
        "none": None,
        "double": 1.5,
        "moment": fields.Timestamp(1_700_000_000),
        "decimal": Decimal("1.23"),
    }
    found = sent(foreign(headers=headers)).application
    assert found == {
        "text": "é",
        "octets": b"\xff",
        "int": Int(5),
        "long": Long(2**40),
        "byte": Byte(-1),
        "bool": True,
        "none": None,
        "double": 1.5,
        "moment": Timestamp(1_700_000_000_000),
        "decimal": Decimal64(bytes.fromhex("318000000000007b")),
    }
    assert [type(found[name]) for name in ("int", "long", "byte", "moment")] == [Int, Long, Byte, Timestamp]


def test_headers_that_are_no_application_properties_are_annotations() -> None:
    headers: dict[str, FieldValue] = {
        "x-own": "v",
        "x-list": [1, {"k": "v"}],
        "CC": ["a"],
        "list": [1],
        "table": {"k": [True]},
        "x-é": 1,
    }
    message = foreign(headers=headers)
    assert sent(message).application == {}
    assert annotations_of(message) == {
        "x-own": "v",
        "x-list": [1, {"k": "v"}],
        "x-cc": ["a"],
        "x-header-list": [1],
        "x-header-table": {"k": [True]},
        "x-é": 1,
    }


@pytest.mark.parametrize("name", ["x-group", "JMSXGroupID"])
def test_a_group_is_one(name: str) -> None:
    message = foreign(app_id="app", headers={name: "g", "JMSXGroupSeq": 3})
    found = sent(message)
    assert (found.properties.group_id, found.properties.group_sequence, found.application) == ("g", 3, {})
    annotations = annotations_of(message)
    assert annotations.pop("x-group", "g") == "g"
    assert annotations == {"x-basic-app-id": "app"}


def test_headers_that_stand_for_properties_are_these() -> None:
    headers: dict[str, FieldValue] = {
        "x-message-id": b"id",
        "x-correlation-id": "c" * 300,
        "x-user-id": b"\xff",
        "x-subject": "s" * 300,
        "x-content-type": "t" * 300,
        "x-reply-to": "/queues/" + "r" * 300,
        "x-reply-to-group-id": "g",
    }
    message = foreign(headers=headers)
    found = sent(message).properties
    assert (found.message_id, found.correlation_id, found.user_id) == (b"id", "c" * 300, b"\xff")
    assert (found.subject, found.content_type, found.reply_to_group_id) == ("s" * 300, "t" * 300, "g")
    assert found.reply_to == "/queues/" + "r" * 300
    assert annotations_of(message) == {}
    # There is one already.
    message = foreign(message_id="other", headers={"x-message-id": b"id"})
    assert sent(message).properties.message_id == "other"
    assert annotations_of(message) == {"x-message-id": b"id"}


def test_a_time_in_milliseconds_is_the_creation_time() -> None:
    exact: dict[str, FieldValue] = {"timestamp_in_ms": fields.LongLong(1_700_000_000_123)}
    found = sent(foreign(timestamp=1_700_000_000, headers=exact))
    assert (found.properties.creation_time, found.application) == (1_700_000_000_123, {})
    found = sent(foreign(timestamp=1_600_000_000, headers=exact))
    assert (found.properties.creation_time, found.application) == (1_600_000_000_000, exact)
    assert sent(foreign(timestamp=2**62)).properties.creation_time == 2**63 - 1


def test_a_message_of_amqp_1_0_sections_gives_them() -> None:
    for body in (
        value("text"),
        value({"k": 1}),
        SEQUENCE + encode([1]),
        data(b"x") + data(b"y"),
        value(1) + b"\x00Sx\xc1\x01\x00",
    ):
        message = foreign(type="amqp-1.0", body=body)
        assert sent(message).bare == body
    for body in (b"garbage", b"", Header().encoded(), b"\x00Sw\xa1\x05hi", value("x") + b"more"):
        assert sent(foreign(type="amqp-1.0", body=body)).bodies == [body]


def test_a_message_of_sections_has_its_subject_in_a_header() -> None:
    headers: dict[str, FieldValue] = {"x-subject": "invoice", "x-basic-type": "bill"}
    found = sent(foreign(type="amqp-1.0", headers=headers, body=value({"k": 1})))
    assert found.properties.subject == "invoice"
    assert found.annotations["x-basic-type"] == "bill"
    assert "x-subject" not in found.annotations


def test_text_of_jms_is_a_string() -> None:
    headers: dict[str, FieldValue] = {"x-opt-jms-msg-type": fields.LongLong(5)}
    for body in ("", "é", "t" * 300):
        message = foreign(headers=headers, body=body.encode())
        found = sent(message)
        assert found.bare == value(body)
        ((name, held),) = annotations_of(message).items()
        assert (name, held, type(held)) == ("x-opt-jms-msg-type", 5, Byte)
    assert sent(foreign(headers=headers, body=b"\xff")).bodies == [b"\xff"]
    assert sent(foreign(headers=headers, body=b"zip", content_encoding="gzip")).bare.endswith(data(b"zip"))


def test_a_dead_letter_tells_its_deaths() -> None:
    headers: dict[str, FieldValue] = {"x-death": [DEATH], "x-first-death-queue": "q", "x-reject-reason": "broken"}
    message = DeadLetter("exchange", "key", Properties.make(headers=headers), b"body")
    annotations = annotations_of(message)
    assert annotations.pop("x-first-death-queue") == "q"
    assert annotations.pop("x-reject-reason") == "broken"
    assert annotations == {
        "x-opt-deaths": Array(
            dict,
            [
                {
                    Symbol("ttl"): UInt(10),
                    Symbol("queue"): "q",
                    Symbol("reason"): Symbol("rejected"),
                    Symbol("count"): ULong(2),
                    Symbol("first-time"): Timestamp(1_700_000_000_000),
                    Symbol("last-time"): Timestamp(1_700_000_000_000),
                    Symbol("exchange"): "e",
                    Symbol("routing-keys"): Array(str, ["k", "l"]),
                }
            ],
        )
    }


def test_what_a_client_calls_deaths_is_an_annotation_like_others() -> None:
    annotations = annotations_of(foreign(headers={"x-death": [{"queue": "q"}]}))
    assert annotations == {"x-death": [{"queue": "q"}]}


# ---------------------------------------------------------------------- messages of AMQP 1.0

WHOLE = build(
    properties=MessageProperties(message_id=ULong(1), to="there", group_sequence=UInt(3)),
    application={"a": b"\xff"},
    body=data(b"one") + data(b"two"),
    footer={"x-opt-hash": b"h"},
)


TYPED = build(properties=MessageProperties(subject="invoice"), body=value({"k": 1}))


@pytest.mark.parametrize("bare", [WHOLE, build(), build(body=value({"k": 1})), build(body=value("text")), TYPED])
def test_the_bare_message_stays_byte_for_byte(bare: bytes) -> None:
    for noted in (None, {"x-opt-a": 1}, {"x-exchange": "old", "x-opt-a": 1}, {}):
        message = came(build(header=Header(durable=True), annotations=noted, body=bare))
        changed = message.with_properties(message.properties.replace(headers=message.properties.headers))
        for each in (message, changed):
            found = sent(each)
            assert found.bare == bare
            expected = {**(noted or {}), "x-exchange": "exchange", "x-routing-key": "key"}
            assert found.annotations == expected


def test_maps_that_a_consumer_notes_keep_strings_as_keys() -> None:
    """A program asks for a key by a string, which is no symbol to those in Java."""
    noted: FieldValue = {"k": "v", "within": [{"deep": 1}]}
    message = came(build(body=WHOLE))
    headers = {**(message.properties.headers or {}), "x-opt-map": noted}
    found = sent(message.with_properties(message.properties.replace(headers=headers))).annotations["x-opt-map"]
    assert found == noted
    assert isinstance(found, dict)
    keys = [*found, *found["within"][0]]
    assert [type(key) for key in keys] == [str, str, str]


def test_what_the_broker_adds_is_an_annotation() -> None:
    message = came(build(annotations={"x-opt-a": 1, "x-opt-b": 2}, body=WHOLE))
    headers: dict[str, FieldValue] = {
        **(message.properties.headers or {}),
        "x-reject-reason": "broken",
        "x-death": [DEATH],
        "x-opt-a": 9,
    }
    del headers["x-opt-b"]
    found = sent(DeadLetter.copy_of(message, "", "dead", message.properties.replace(headers=headers)))
    assert found.bare.endswith(WHOLE)
    deaths = found.annotations.pop("x-opt-deaths")
    assert isinstance(deaths, Array)
    assert len(deaths) == 1
    assert found.annotations == {"x-opt-a": 9, "x-reject-reason": "broken", "x-exchange": "", "x-routing-key": "dead"}


# ---------------------------------------------------------------------- what is remembered


def test_messages_of_all_kinds_may_follow_each_other() -> None:
    plain = foreign()
    messages = [
        plain,
        foreign(body=b"other"),
        Message("other", "key", plain.properties, b"body"),
        Message("exchange", "other", plain.properties, b"body"),
        DeadLetter("exchange", "key", plain.properties, b"body"),
        foreign(type="amqp-1.0", body=value(1)),
        foreign(headers={"x-opt-jms-msg-type": 5}),
        came(build()),
        came(build(annotations={"x-opt-a": 1})),
        came(build(annotations={"x-opt-a": 2})),
        came(build(body=WHOLE)),
        came(WHOLE).with_properties(plain.properties),
        came(build()).with_properties(Properties.make(headers={"x-opt-new": 1})),
    ]
    writer = MessageWriter(SPEC)
    for first in messages:
        for second in messages:
            for return_count in (0, 1):
                for message in (first, second):
                    made = queued(message, return_count=return_count)
                    assert writer.sections(made, NOW) == MessageWriter(SPEC).sections(made, NOW)
