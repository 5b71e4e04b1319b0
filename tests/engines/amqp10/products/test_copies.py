"""What a copy keeps of a message, and what is changed in it."""

from __future__ import annotations

from batonmq.engines.amqp10.products.copies import copied
from batonmq.protocols.amqp10.codec.performatives import Header, MessageProperties
from batonmq.protocols.amqp10.codec.sections import APPLICATION_PROPERTIES, DATA, FOOTER, MESSAGE_ANNOTATIONS, Sections
from batonmq.protocols.amqp10.codec.values import Described, Long, Symbol, UInt, ULong, encode


def section(code: int, value: object) -> bytes:
    return encode(Described(ULong(code), value))


CAME = (
    Header(durable=True, priority=7, ttl=5000, first_acquirer=False, delivery_count=3).encoded()
    + section(MESSAGE_ANNOTATIONS, {Symbol("x-opt-delivery-delay"): Long(100), Symbol("x-opt-kept"): "a"})
    + MessageProperties(message_id="m-1", group_id="g", group_sequence=UInt(4)).encoded()
    + section(APPLICATION_PROPERTIES, {"tenant": "b", "count": 1})
    + section(DATA, b"one")
    + section(DATA, b"two")
    + section(FOOTER, {Symbol("x-opt-sum"): 1})
)


def keep_all(_: str) -> bool:
    return True


def test_all_that_the_sender_wrote_is_kept() -> None:
    copy = Sections(copied(CAME, is_kept=lambda name: name != "x-opt-delivery-delay"))
    assert copy.header() == Header(durable=True, priority=7, ttl=5000)
    assert copy.message_annotations() == {"x-opt-kept": "a"}
    assert copy.application_properties() == {"tenant": "b", "count": 1}
    assert copy.body_values() == [b"one", b"two"]
    assert copy.footer() == {"x-opt-sum": 1}


def test_it_has_no_place_in_its_group_but_for_the_group() -> None:
    properties = Sections(copied(CAME, is_kept=keep_all)).properties()
    assert properties == MessageProperties(message_id="m-1", group_id="g")


def test_headers_are_replaced_and_taken_away() -> None:
    copy = Sections(copied(CAME, headers={"count": 2, "new": "x"}, is_kept=lambda name: name != "tenant"))
    assert copy.application_properties() == {"count": 2, "new": "x"}


def test_annotations_are_added() -> None:
    copy = Sections(copied(CAME, annotations={"x-opt-delivery-delay": Long(7)}, is_kept=keep_all))
    assert copy.message_annotations() == {"x-opt-kept": "a", "x-opt-delivery-delay": 7}


def test_a_message_of_a_body_alone() -> None:
    copy = Sections(copied(section(DATA, b"x"), headers={"count": 1}, is_kept=keep_all))
    assert (copy.application_properties(), copy.body_values()) == ({"count": 1}, [b"x"])
