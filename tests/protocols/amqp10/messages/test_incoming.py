"""What other protocols see of a message that came over AMQP 1.0."""

from __future__ import annotations

import uuid

import pytest

from batonmq import fields
from batonmq.broker.features.groups import group_of
from batonmq.broker.features.publish_headers import due_of, key_of
from batonmq.broker.selectors.parser import parse_selector
from batonmq.message import Message
from batonmq.properties import EMPTY, Properties
from batonmq.protocols.amqp10.codec.performatives import Header, MessageProperties
from batonmq.protocols.amqp10.codec.values import (
    Array,
    Byte,
    Char,
    DecodeError,
    Described,
    Int,
    Symbol,
    Timestamp,
    UByte,
    UInt,
    ULong,
    encode,
)
from batonmq.protocols.amqp10.dialects import RABBITMQ, SPEC
from batonmq.protocols.amqp10.messages.framings import AMQP10, AMQP10_SPLIT
from batonmq.protocols.amqp10.messages.incoming import MessageReader
from tests.support.amqp10_messages import DATA, SEQUENCE, build, data, value
from tests.support.driven import HandClock

CLOCK = HandClock()
NOW = int(CLOCK.time() * 1000)
LONG = "é" * 128


def read(message: bytes, reader: MessageReader | None = None) -> Message:
    return (reader or MessageReader(CLOCK, SPEC)).read(message, "exchange", "key")


def properties_of(**values: object) -> Properties:
    return read(build(properties=MessageProperties(**values))).properties  # type: ignore[arg-type]


def headers_of(message: bytes) -> dict[str, fields.FieldValue]:
    return read(message).properties.headers or {}


# ---------------------------------------------------------------------- what is kept


def test_all_from_the_message_annotations_on_is_kept() -> None:
    kept = build(annotations={"x-opt-a": 1}, properties=MessageProperties(to="there"), footer={"x-opt-hash": b"h"})
    came = build(header=Header(durable=True), delivery_annotations={"x-opt-d": 1}, body=kept)
    message = read(came)
    assert (message.exchange, message.routing_key) == ("exchange", "key")
    assert message.payload == kept
    assert message.framing is AMQP10
    assert message.weight == len(kept)
    assert message.body == b"body"


@pytest.mark.parametrize("size", [0, 1, 255, 256, 70_000])
@pytest.mark.parametrize("has_header", [False, True])
def test_a_body_of_data_is_its_octets(size: int, has_header: bool) -> None:
    body = bytes(size)
    message = read(build(header=Header(durable=True) if has_header else None, body=data(body)))
    assert (message.body, message.payload) == (body, data(body))
    assert message.properties.type is None


def test_a_short_body_may_have_a_wide_length() -> None:
    assert read(DATA + b"\xb0\x00\x00\x00\x02hi").body == b"hi"


def test_several_sections_of_data_are_one_body() -> None:
    sections = data(b"one ") + data(b"") + data(b"two")
    message = read(build(header=Header(priority=UByte(1)), body=sections, footer={"x-opt-f": 1}))
    kept = sections + b"\x00Sx" + encode({Symbol("x-opt-f"): 1})
    assert message.body == b"one two"
    assert message.framing is AMQP10_SPLIT
    assert message.payload == kept + b"one two"
    assert message.weight == len(message.payload)


@pytest.mark.parametrize(
    ("held", "seen"),
    [("text", b"text"), ("é" * 200, ("é" * 200).encode()), (b"octets", b"octets"), ("", b""), (None, b"")],
)
@pytest.mark.parametrize("has_footer", [False, True])
def test_a_value_of_text_or_octets_is_the_body(held: object, seen: bytes, has_footer: bool) -> None:
    message = read(build(body=value(held), footer={"x-opt-f": 1} if has_footer else None))
    assert message.body == seen
    assert message.properties.type is None


@pytest.mark.parametrize("held", ["text", b"octets", None])
def test_as_in_rabbitmq_any_value_is_a_section(held: object) -> None:
    message = read(build(body=value(held)), MessageReader(CLOCK, RABBITMQ))
    assert message.body == value(held)
    assert message.properties.type == "amqp-1.0"


@pytest.mark.parametrize(
    "body", [value(Int(1)), value({"k": [1]}), value(Described(ULong(1), "text")), (SEQUENCE + encode([1, "a"])) * 2]
)
def test_any_other_body_is_its_sections(body: bytes) -> None:
    came = build(properties=MessageProperties(subject="kind"), body=body, footer={"x-opt-f": 1})
    message = read(came)
    assert message.body == body + b"\x00Sx" + encode({Symbol("x-opt-f"): 1})
    assert message.properties.type == "amqp-1.0"
    assert message.payload == came


def test_a_message_without_a_body_has_an_empty_one() -> None:
    came = MessageProperties(message_id="1").encoded()
    message = read(came)
    assert (message.body, message.payload, message.properties.message_id) == (b"", came, "1")


def test_annotations_with_an_odd_descriptor_get_the_usual_one() -> None:
    bare = build(properties=MessageProperties(message_id="1"))
    annotations = encode({Symbol("x-opt-a"): 1})
    for descriptor in (
        b"\x00\x80\x00\x00\x00\x00\x00\x00\x00\x72",
        b"\x00" + encode(Symbol("amqp:message-annotations:map")),
    ):
        message = read(Header(durable=True).encoded() + descriptor + annotations + bare)
        assert message.payload == b"\x00Sr" + annotations + bare
        assert message.body == b"body"
        assert message.properties.headers == {"x-opt-a": 1}


# ---------------------------------------------------------------------- header


def test_what_the_header_says() -> None:
    properties = read(build(header=Header(durable=True, priority=UByte(7), ttl=UInt(60_000)))).properties
    assert (properties.delivery_mode, properties.priority, properties.expiration) == (2, 7, "60000")


@pytest.mark.parametrize("header", [None, Header(), Header(durable=False), Header(first_acquirer=True)])
def test_what_does_not_say_that_it_is_durable_is_not(header: Header | None) -> None:
    assert read(build(header=header)).properties == EMPTY


@pytest.mark.parametrize(("durable", "is_persistent"), [(None, True), (False, False), (True, True)])
def test_as_in_rabbitmq_a_message_is_durable_unless_it_says_that_it_is_not(
    durable: bool | None, is_persistent: bool
) -> None:
    reader = MessageReader(CLOCK, RABBITMQ)
    for header in (Header(durable=durable), None if durable is None else Header(durable=durable)):
        assert read(build(header=header), reader).properties.persistent is is_persistent


def test_readers_of_two_dialects_do_not_mix_up_what_they_read() -> None:
    readers = [MessageReader(CLOCK, dialect) for dialect in (SPEC, RABBITMQ, SPEC, RABBITMQ)]
    for message in (build(), build(body=value("body"))):
        seen = [read(message, reader) for reader in readers]
        assert [each.properties.persistent for each in seen] == [False, True, False, True]
        assert len({each.body for each in seen}) == (1 if message == build() else 2)


# ---------------------------------------------------------------------- properties


@pytest.mark.parametrize(
    ("held", "shown"),
    [
        ("text", "text"),
        ("", ""),
        (ULong(2**64 - 1), "18446744073709551615"),
        (uuid.UUID(int=77), "urn:uuid:00000000-0000-0000-0000-00000000004d"),
        ("é" * 127, "é" * 127),
    ],
)
def test_ids_are_texts(held: object, shown: str) -> None:
    properties = properties_of(message_id=held, correlation_id=held)
    assert (properties.message_id, properties.correlation_id, properties.headers) == (shown, shown, None)


@pytest.mark.parametrize("held", [b"octets", LONG])
def test_ids_that_are_no_short_text_are_headers(held: object) -> None:
    properties = properties_of(message_id=held, correlation_id=held)
    assert (properties.message_id, properties.correlation_id) == (None, None)
    assert properties.headers == {"x-message-id": held, "x-correlation-id": held}


def test_properties_by_their_names() -> None:
    properties = properties_of(
        user_id=b"guest",
        to="/queues/q",
        subject="kind",
        reply_to="replies",
        content_type="text/plain",
        content_encoding="gzip",
        creation_time=Timestamp(1_700_000_000_000),
    )
    assert properties == Properties.make(
        user_id="guest",
        type="kind",
        reply_to="replies",
        content_type="text/plain",
        content_encoding="gzip",
        timestamp=1_700_000_000,
    )


@pytest.mark.parametrize("user", [b"\xff", b"a\0b", b"u" * 256])
def test_a_user_id_that_is_no_short_text_is_a_header(user: bytes) -> None:
    properties = properties_of(user_id=user)
    assert (properties.user_id, properties.headers) == (None, {"x-user-id": user})


@pytest.mark.parametrize(
    ("field", "header"),
    [
        ("content_type", "x-content-type"),
        ("content_encoding", "x-content-encoding"),
        ("reply_to", "x-reply-to"),
        ("subject", "x-subject"),
    ],
)
def test_a_property_that_is_too_long_is_a_header(field: str, header: str) -> None:
    text = "t" * 256
    assert properties_of(**{field: text}) == Properties.make(headers={header: text})


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("/queues/a%2Fb", "a/b"),
        ("queue://q", "q"),
        ("temp-queue://q", "q"),
        ("/queue/old", "/queue/old"),
        ("/exchanges/amq.topic/key", "/exchanges/amq.topic/key"),
        ("plain", "plain"),
        ("/queues/%zz", "/queues/%zz"),
        ("/queues/a/b", "/queues/a/b"),
        ("", ""),
    ],
)
def test_a_reply_address_of_a_queue_becomes_its_name(address: str, shown: str) -> None:
    assert properties_of(reply_to=address).reply_to == shown


def test_a_creation_time_keeps_its_milliseconds() -> None:
    properties = properties_of(creation_time=Timestamp(1_700_000_000_123))
    assert (properties.timestamp, properties.headers) == (1_700_000_000, {"timestamp_in_ms": 1_700_000_000_123})


def test_a_message_expires_at_the_time_that_it_names_where_it_has_no_time_to_live() -> None:
    reader = MessageReader(CLOCK, SPEC)
    times = MessageProperties(absolute_expiry_time=Timestamp(NOW + 5_000))
    assert read(build(properties=times), reader).properties.expiration == "5000"
    # Once more, from what is remembered.
    assert read(build(properties=times, body=data(b"other")), reader).properties.expiration == "5000"
    assert read(build(header=Header(ttl=UInt(9)), properties=times), reader).properties.expiration == "9"
    past = MessageProperties(absolute_expiry_time=Timestamp(NOW - 5_000))
    assert read(build(properties=past), reader).properties.expiration == "0"
    for never in (0, 253_402_300_799_999, 2**63 - 1):
        times = MessageProperties(absolute_expiry_time=Timestamp(never))
        assert read(build(properties=times), reader).properties.expiration is None


def test_a_group_is_one_for_the_broker() -> None:
    came = build(properties=MessageProperties(group_id="g", group_sequence=UInt(7), reply_to_group_id="r"))
    message = read(came)
    assert message.properties.app_id == "g"
    assert message.properties.headers == {"JMSXGroupID": "g", "JMSXGroupSeq": 7, "x-reply-to-group-id": "r"}
    assert group_of(message, None) == "g"


# ---------------------------------------------------------------------- annotations and application properties


def test_application_properties_are_headers() -> None:
    assert headers_of(build(application={"a": "text", "n": Int(5), "x-own": True, "é": None})) == {
        "a": "text",
        "n": 5,
        "x-own": True,
        "é": None,
    }


def test_the_name_of_an_application_property_is_a_string_and_fits() -> None:
    assert headers_of(build(application={"n" * 256: 1, "n" * 255: 2})) == {"n" * 255: 2}
    with pytest.raises(DecodeError, match="no string"):
        read(b"\x00St" + encode({ULong(1): 1}) + build())


def test_headers_fit_a_frame_of_0_9_1() -> None:
    large = {"largest": "x" * 40_000, "large": "y" * 30_000, "small": "z" * 20_000, "n": Int(1)}
    came = build(application=large, annotations={"x-opt-a": "a" * 1_000})
    message = read(came)
    assert message.payload == came
    assert (message.properties.headers or {}).keys() == {"large", "small", "n", "x-opt-a"}
    assert len(message.properties.raw) < 64 << 10
    long = "t" * 100_000
    assert properties_of(group_id=long, subject=long, message_id=long, reply_to="r" * 300).headers == {
        "x-reply-to": "r" * 300
    }


def test_annotations_are_headers_and_win() -> None:
    came = build(annotations={"x-opt-a": "b", "x-same": Int(1), "other": 2}, application={"x-same": "application"})
    assert headers_of(came) == {"x-opt-a": "b", "x-same": 1, "other": 2}


def test_what_only_the_broker_says_is_no_header() -> None:
    came = build(annotations={"x-exchange": "e", "x-routing-key": "k", "x-death": "d", "x-basic-nonsense": 1})
    assert read(came).properties == EMPTY


def test_annotations_of_rabbitmq_become_what_they_stand_for() -> None:
    came = build(
        annotations={
            "x-cc": ["a", "b"],
            "x-basic-type": "kind",
            "x-basic-app-id": "app",
            "x-basic-cluster-id": "cluster",
            "x-basic-priority": UByte(3),
            "x-basic-delivery-mode": UByte(2),
            "x-basic-expiration": "60000",
            "x-opt-rabbitmq-received-time": Timestamp(1_700_000_000_123),
            "x-header-table": {Symbol("k"): "v"},
        },
        properties=MessageProperties(subject="other"),
    )
    assert read(came).properties == Properties.make(
        type="kind",
        app_id="app",
        cluster_id="cluster",
        priority=3,
        delivery_mode=2,
        expiration="60000",
        headers={
            "CC": ["a", "b"],
            "timestamp_in_ms": fields.LongLong(1_700_000_000_123),
            "table": {"k": "v"},
        },
    )


def test_the_header_says_more_than_annotations_do() -> None:
    came = build(
        header=Header(durable=False, priority=UByte(1), ttl=UInt(5)),
        annotations={"x-basic-priority": UByte(3), "x-basic-delivery-mode": UByte(2), "x-basic-expiration": "60000"},
    )
    assert read(came).properties == Properties.make(priority=1, expiration="5")


def test_annotations_that_are_not_what_they_should_be_do_no_harm() -> None:
    came = build(
        annotations={
            "x-basic-type": 1,
            "x-basic-priority": Int(999),
            "x-basic-delivery-mode": "x",
            "x-basic-expiration": "soon",
            "x-basic-app-id": LONG,
            "x-opt-deaths": "none",
            "x-opt-delivery-delay": "later",
            "x-opt-rabbitmq-received-time": 1,
        }
    )
    assert read(came).properties == Properties.make(
        headers={
            "x-opt-deaths": "none",
            "x-opt-delivery-delay": "later",
            "x-opt-rabbitmq-received-time": fields.LongLong(1),
        }
    )


def test_deaths_are_the_header_of_0_9_1() -> None:
    death = {
        Symbol("ttl"): UInt(10),
        Symbol("queue"): "q",
        Symbol("reason"): Symbol("expired"),
        Symbol("count"): ULong(2),
        Symbol("first-time"): Timestamp(1_700_000_000_123),
        Symbol("last-time"): Timestamp(1_700_000_000_999),
        Symbol("exchange"): "",
        Symbol("routing-keys"): Array(str, ["q"]),
    }
    message = read(build(annotations={"x-opt-deaths": Array(dict, [death])}))
    assert message.properties.headers == {
        "x-death": [
            {
                "count": 2,
                "reason": "expired",
                "queue": "q",
                "time": fields.Timestamp(1_700_000_000),
                "exchange": "",
                "routing-keys": ["q"],
                "original-expiration": "10",
            }
        ]
    }
    # A client has said so, and not the broker.
    assert not message.is_dead_letter


@pytest.mark.parametrize("moment", [NOW + 5_000, Timestamp(NOW + 5_000)])
def test_a_delivery_time_is_one_for_the_broker(moment: int) -> None:
    assert due_of(headers_of(build(annotations={"x-opt-delivery-time": moment})), NOW) == NOW + 5_000


def test_a_delivery_delay_is_one_for_the_broker() -> None:
    assert due_of(headers_of(build(annotations={"x-opt-delivery-delay": ULong(5_000)})), NOW) == NOW + 5_000


def test_artemis_way_to_say_that_a_message_is_not_to_come_twice() -> None:
    headers = headers_of(build(application={"_AMQ_DUPL_ID": "once"}))
    assert headers == {"_AMQ_DUPL_ID": "once", "x-deduplication-header": "once"}
    assert key_of(headers) is not None


def test_types_that_0_9_1_has_are_kept() -> None:
    (header,) = (headers_of(build(annotations={"x-opt-jms-msg-type": Byte(5)})).values(),)
    assert [type(each) for each in header] == [fields.SignedByte]


# ---------------------------------------------------------------------- what is remembered


def test_messages_that_begin_alike_share_their_properties() -> None:
    reader = MessageReader(CLOCK, SPEC)
    head = {"header": Header(durable=True), "application": {"a": 1}}
    messages = [read(build(body=data(b"%d" % number), **head), reader) for number in range(3)]  # type: ignore[arg-type]
    assert [message.body for message in messages] == [b"0", b"1", b"2"]
    assert messages[0].properties is messages[1].properties is messages[2].properties


def test_heads_and_bodies_of_all_kinds_may_follow_each_other() -> None:
    heads = [
        {},
        {"header": Header(durable=True)},
        {"properties": MessageProperties(message_id="1")},
        {"properties": MessageProperties(message_id="1"), "application": {"a": "b"}},
        {"annotations": {"x-opt-a": 1}},
    ]
    bodies = [
        (data(b"data"), b"data", None),
        (data(b"a") + data(b"b"), b"ab", None),
        (value("text"), b"text", None),
        (value(Int(1)), value(Int(1)), "amqp-1.0"),
        (value(None), b"", None),
        (SEQUENCE + encode([]), SEQUENCE + encode([]), "amqp-1.0"),
        (b"", b"", None),
    ]
    cases = [(head, body) for head in heads for body in bodies if head or body[0]]
    reader = MessageReader(CLOCK, SPEC)
    for first in cases:
        for second in cases:
            for head, (sections, seen, kind) in (first, second):
                message = read(build(body=sections, **head), reader)  # type: ignore[arg-type]
                assert (message.body, message.properties.type) == (seen, kind)
                assert message.properties == read(build(body=sections, **head)).properties  # type: ignore[arg-type]


def jms(number: int, moment: int, *, ttl: int = 0, size: int = 5, **fields: object) -> bytes:
    """A message as a producer of JMS sends it: with an id and times of its own."""
    values: dict[str, object] = {"message_id": f"ID:{number}", "to": "q", "creation_time": Timestamp(moment), **fields}
    if ttl:
        values["absolute_expiry_time"] = Timestamp(moment + ttl)
    return build(
        header=Header(durable=True, ttl=UInt(ttl) if ttl else None),
        annotations={"x-opt-jms-msg-type": Byte(5), "x-opt-jms-dest": Byte(0)},
        properties=MessageProperties(**values),  # type: ignore[arg-type]
        application={"a": "b"},
        body=value("x" * size),
    )


def test_messages_that_differ_in_ids_and_times_alone() -> None:
    moment = 1_700_000_000_990
    reader = MessageReader(CLOCK, SPEC)
    batch = [jms(number, moment + number) for number in range(95, 125)]
    batch += [jms(number, moment + number, ttl=60_000) for number in range(5)]
    batch += [jms(1, moment + 5, correlation_id=str(number)) for number in range(3)]
    batch += [jms(1, moment + 5, correlation_id="c"), jms(2, moment + 5, correlation_id="c", size=300)]
    batch += [jms(3, moment + 7, size=0), jms(3, -1), jms(4, -5), jms(5, -2000), jms(6, 0)]
    batch += [jms(1, moment), build(), jms(2, moment + 1), build(body=value(Int(1))), jms(3, moment + 2)]
    batch += [jms(4, moment + 2)[:-7] + encode(Int(7)), jms(5, moment + 3)[:-7] + encode(Int(7)), jms(6, moment + 4)]
    batch += [jms(7, moment, message_id=name) for name in ("é9", "ID9", "é8", "ID8")]
    for _ in range(2):
        for came in batch:
            found, expected = read(came, reader), read(came)
            assert found.properties == expected.properties
            assert (found.properties.persistent, found.properties.plain) == (
                expected.properties.persistent,
                expected.properties.plain,
            )
            assert (found.body, found.payload) == (expected.body, expected.payload)


def test_a_time_that_an_annotation_tells_is_not_that_of_creation() -> None:
    reader = MessageReader(CLOCK, SPEC)
    for number in range(4):
        came = build(
            annotations={"x-opt-rabbitmq-received-time": Timestamp(1_700_000_000_123)},
            properties=MessageProperties(message_id=f"{number}", creation_time=Timestamp(1_700_000_000_123 + number)),
        )
        assert read(came, reader).properties == read(came).properties


def test_the_address_and_the_subject_of_a_message() -> None:
    reader = MessageReader(CLOCK, SPEC)
    came = build(properties=MessageProperties(to="/queues/q", subject="key"))
    assert (reader.address_of(came), reader.subject_of(came)) == ("/queues/q", "key")
    assert (reader.address_of(build()), reader.subject_of(build())) == (None, None)
    assert (reader.address_of(came), reader.subject_of(came)) == ("/queues/q", "key")


# ---------------------------------------------------------------------- what is wrong


@pytest.mark.parametrize(
    "wrong",
    [
        b"",
        b"\x00",
        b"garbage",
        DATA,
        DATA + b"\xa0",
        DATA + b"\xa0\x05body",
        DATA + b"\xb0\x00\x00\x00",
        DATA + b"\xa1\x01x",
        data(b"body") + b"\x00",
        data(b"body") + value("x"),
        value("x") + value("x"),
        b"\x00Sp\x45" * 2 + data(b""),
        data(b"body") + Header().encoded(),
        b"\x00Sy\x45" + data(b""),
        b"\x00Sr" + encode([]) + data(b""),
        b"\x00Ss" + encode([1]) + data(b""),
        b"\x00Sp" + encode(["yes"]) + data(b""),
    ],
)
def test_a_malformed_message_is_refused(wrong: bytes) -> None:
    reader = MessageReader(CLOCK, SPEC)
    for _ in range(2):
        with pytest.raises(DecodeError):
            read(wrong, reader)
        assert read(build(), reader).body == b"body"


def test_what_is_nested_deeper_than_headers_may_be_is_refused() -> None:
    deep: object = 1
    for _ in range(60):
        deep = [deep]
    assert headers_of(build(annotations={"x-opt-deep": deep}))
    # A map whose keys are no names is an array of pairs, which is one level more.
    deep = 1
    for _ in range(40):
        deep = {1: deep}
    with pytest.raises(DecodeError, match="nested"):
        read(build(annotations={"x-opt-deep": deep}))


def test_values_without_a_counterpart_are_texts() -> None:
    came = build(application={"u": uuid.UUID(int=1), "c": Char("é"), "big": ULong(2**64 - 1)})
    assert headers_of(came) == {
        "u": "urn:uuid:00000000-0000-0000-0000-000000000001",
        "c": "é",
        "big": "18446744073709551615",
    }


@pytest.mark.parametrize("body", [value(7), value({"a": 1}), SEQUENCE + encode([1])])
def test_a_subject_is_kept_where_the_type_says_what_the_body_is(body: bytes) -> None:
    message = read(build(properties=MessageProperties(subject="invoice"), body=body, application={"a": "b"}))
    assert message.properties.type == "amqp-1.0"
    assert message.properties.headers == {"x-subject": "invoice", "a": "b"}
    assert parse_selector("JMSType = 'invoice' AND a = 'b'").matches(message)
    basic = read(build(annotations={"x-basic-type": "bill"}, body=body))
    assert basic.properties.type == "amqp-1.0"
    assert basic.properties.headers == {"x-basic-type": "bill"}
