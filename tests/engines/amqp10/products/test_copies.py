"""A message that is sent again in place of the one that was received: what stays, what goes, what comes."""

from __future__ import annotations

from batonmq.engines.amqp10.products.copies import copied
from batonmq.protocols.amqp10.codec.performatives import Header, MessageProperties
from batonmq.protocols.amqp10.codec.sections import APPLICATION_PROPERTIES, MESSAGE_ANNOTATIONS, Sections
from batonmq.protocols.amqp10.codec.values import Described, Long, Symbol, UByte, UInt, ULong, encode

BODY = b"\x00Su\xa0\x05order"
PROPERTIES = MessageProperties(message_id="m-1", group_id="eu", reply_to="answers")


def message(annotations: dict[object, object], headers: dict[object, object]) -> bytes:
    header = Header(durable=True, priority=UByte(7), ttl=UInt(60_000), delivery_count=UInt(3), first_acquirer=False)
    sections = encode(Described(ULong(MESSAGE_ANNOTATIONS), annotations)) if annotations else b""
    after = encode(Described(ULong(APPLICATION_PROPERTIES), headers)) if headers else b""
    return header.encoded() + sections + PROPERTIES.encoded() + after + BODY


def test_the_bare_message_stays_and_what_was_said_of_its_delivery_goes() -> None:
    sections = Sections(copied(message({}, {"tenant": "a"}), is_kept=lambda _: True))
    assert sections.header() == Header(durable=True, priority=UByte(7), ttl=UInt(60_000))
    assert sections.properties() == PROPERTIES
    assert sections.application_properties() == {"tenant": "a"}
    assert sections.message_annotations() == {}
    assert sections.body_values() == [b"order"]


def test_what_is_set_takes_the_place_of_what_was_there() -> None:
    before = message({Symbol("x-opt-at"): Long(1), Symbol("x-opt-kept"): "k"}, {"reason": "old", "tenant": "a"})
    after = copied(before, annotations={"x-opt-at": Long(2)}, headers={"reason": "new"}, is_kept=lambda _: True)
    sections = Sections(after)
    assert sections.message_annotations() == {"x-opt-at": 2, "x-opt-kept": "k"}
    assert sections.application_properties() == {"reason": "new", "tenant": "a"}
    assert all(isinstance(name, Symbol) for name in sections.message_annotations())


def test_what_is_not_to_be_kept_goes_from_both() -> None:
    before = message({Symbol("drop-a"): Long(1)}, {"drop-b": "x", "tenant": "a"})
    sections = Sections(copied(before, is_kept=lambda name: not name.startswith("drop-")))
    assert sections.message_annotations() == {}
    assert sections.application_properties() == {"tenant": "a"}


def test_it_has_no_place_in_its_group_but_for_the_group() -> None:
    sections = Sections(copied(MessageProperties(group_id="eu", group_sequence=UInt(1)).encoded() + BODY, is_kept=bool))
    assert sections.properties() == MessageProperties(group_id="eu")


def test_a_message_of_a_body_alone_is_copied() -> None:
    sections = Sections(copied(BODY, headers={"reason": "why"}, is_kept=lambda _: True))
    assert sections.application_properties() == {"reason": "why"}
    assert sections.body_values() == [b"order"]
