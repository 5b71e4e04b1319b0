"""AMQP 1.0 part 3 §3.2: where the sections of a message are, their order, and what is in them."""

from __future__ import annotations

import pytest

from batonmq.protocols.amqp10.codec import sections as module
from batonmq.protocols.amqp10.codec.performatives import Header, MessageProperties
from batonmq.protocols.amqp10.codec.sections import DATA, NO_BODY, SEQUENCE, VALUE, Sections, in_order
from batonmq.protocols.amqp10.codec.values import DecodeError, Described, Symbol, ULong, encode


def section(code: int | str, value: object) -> bytes:
    return encode(Described(ULong(code) if isinstance(code, int) else Symbol(code), value))


HEADER = encode(Header(durable=True, priority=5))
DELIVERY = section(0x71, {Symbol("d"): 1})
MESSAGE = section(0x72, {Symbol("x-opt-m"): 1})
PROPERTIES = encode(MessageProperties(message_id="m", to="q"))
APPLICATION = section(0x74, {"a": 1})
BODY = section(0x75, b"body")
FOOTER = section(0x78, {Symbol("f"): 1})
ALL = (HEADER, DELIVERY, MESSAGE, PROPERTIES, APPLICATION, BODY, FOOTER)


def test_all_sections() -> None:
    data = b"".join(ALL)
    for before, behind in ((b"", b""), (b"before", b"behind")):
        found = Sections(before + data + behind, len(before), len(before) + len(data))
        assert found.header() == Header(durable=True, priority=5)
        assert found.delivery_annotations() == {"d": 1}
        assert found.message_annotations() == {"x-opt-m": 1}
        assert found.properties() == MessageProperties(message_id="m", to="q")
        assert found.application_properties() == {"a": 1}
        assert found.body_kind == DATA
        assert found.body_values() == [b"body"]
        assert found.footer() == {"f": 1}
        at = len(before) + len(HEADER + DELIVERY)
        assert found.kept_at == at
        assert found.bare_at == at + len(MESSAGE)
        assert found.body_at == at + len(MESSAGE + PROPERTIES + APPLICATION)
        assert found.body_stop == found.body_at + len(BODY)
        assert found.data_extents() == [(found.body_at + 5, found.body_stop)]


@pytest.mark.parametrize("which", range(2**7))
def test_any_section_may_be_absent(which: int) -> None:
    chosen = [part if which >> at & 1 else b"" for at, part in enumerate(ALL)]
    found = Sections(b"".join(chosen))
    ends = [len(b"".join(chosen[: at + 1])) for at in range(7)]
    assert found.kept_at == ends[1]
    assert found.bare_at == ends[2]
    assert found.body_at == ends[4]
    assert found.body_stop == ends[5]
    assert (found.header() is not None) == bool(chosen[0])
    assert found.delivery_annotations() == ({"d": 1} if chosen[1] else {})
    assert found.message_annotations() == ({"x-opt-m": 1} if chosen[2] else {})
    assert (found.properties() is not None) == bool(chosen[3])
    assert found.application_properties() == ({"a": 1} if chosen[4] else {})
    assert found.body_kind == (DATA if chosen[5] else NO_BODY)
    assert found.footer() == ({"f": 1} if chosen[6] else {})


@pytest.mark.parametrize(
    ("body", "kind", "values"),
    [
        (section(0x75, b"") + section(0x75, b"x" * 300) + section(0x75, b"y"), DATA, [b"", b"x" * 300, b"y"]),
        (section(0x76, [1]) + section(0x76, []), SEQUENCE, [[1], []]),
        (section(0x77, None), VALUE, [None]),
        (section(0x77, {"a": [1, "b"]}), VALUE, [{"a": [1, "b"]}]),
        (section(0x77, Described(ULong(0x31), [])), VALUE, [Described(ULong(0x31), [])]),
        (section("amqp:data:binary", b"d"), DATA, [b"d"]),
        (section("amqp:amqp-sequence:list", [1]), SEQUENCE, [[1]]),
        (section("amqp:amqp-value:*", "v"), VALUE, ["v"]),
        (b"\x00\x80" + bytes(7) + b"\x75\xb0\x00\x00\x00\x01d", DATA, [b"d"]),
    ],
)
def test_bodies(body: bytes, kind: int, values: list[object]) -> None:
    found = Sections(HEADER + body + FOOTER)
    assert found.body_kind == kind
    assert found.body_values() == values
    assert found.body_stop == len(HEADER + body)
    if kind == DATA:
        assert [found.data[start:stop] for start, stop in found.data_extents()] == values
    else:
        assert found.data_extents() == []


def test_symbolic_descriptors() -> None:
    names = {
        "amqp:header:list": [True],
        "amqp:delivery-annotations:map": {Symbol("d"): 1},
        "amqp:message-annotations:map": {Symbol("m"): 2},
        "amqp:properties:list": ["id"],
        "amqp:application-properties:map": {"a": 3},
        "amqp:data:binary": b"x",
        "amqp:footer:map": {Symbol("f"): 4},
    }
    found = Sections(b"".join(section(name, value) for name, value in names.items()))
    assert found.header() == Header(durable=True)
    assert found.properties() == MessageProperties(message_id="id")
    assert found.footer() == {"f": 4}
    assert found.body_values() == [b"x"]


MALFORMED: dict[str, bytes] = {
    "twice": HEADER + HEADER,
    "value twice": section(0x77, 1) + section(0x77, 1),
    "footer twice": BODY + FOOTER + FOOTER,
    "header behind annotations": MESSAGE + HEADER,
    "annotations in the wrong order": MESSAGE + DELIVERY,
    "properties behind the body": BODY + PROPERTIES,
    "application properties before properties": APPLICATION + PROPERTIES,
    "body behind the footer": FOOTER + BODY,
    "data and value": BODY + section(0x77, 1),
    "value and data": section(0x77, 1) + BODY,
    "sequence and value": section(0x76, [1]) + section(0x77, 1),
    "data between": BODY + section(0x76, []) + BODY,
    "no descriptor": b"\x45",
    "unknown code": section(0x79, []),
    "a low code": section(0x6F, []),
    "a composite's code": section(0x24, []),
    "unknown symbol": section("amqp:other:list", []),
    "a string for a descriptor": encode(Described("amqp:data:binary", b"")),
    "header is a map": section(0x70, {}),
    "annotations are a list": section(0x72, []),
    "properties are null": section(0x73, None),
    "application properties are a list": section(0x74, [1]),
    "data is a string": section(0x75, "x"),
    "sequence is a map": section(0x76, {}),
    "footer is null": section(0x78, None),
    "data is a described binary": section(0x75, Described(ULong(1), b"x")),
    "garbage behind": BODY + b"x",
    "unknown constructor": b"\x00\x53\x77\x3f",
}


@pytest.mark.parametrize("data", MALFORMED.values(), ids=MALFORMED)
def test_malformed_messages(data: bytes) -> None:
    with pytest.raises(DecodeError):
        Sections(data)


def test_a_message_that_is_cut_short() -> None:
    data = b"".join(ALL)
    ends = {len(b"".join(ALL[:at])) for at in range(8)}
    for size in range(len(data) + 1):
        for given in (data[:size], data):
            if size in ends:
                Sections(given, 0, size)
            else:
                with pytest.raises(DecodeError):
                    Sections(given, 0, size)


def test_sections_can_be_put_in_order() -> None:
    body = section(0x77, None)
    assert in_order(body + FOOTER + PROPERTIES + HEADER) == HEADER + PROPERTIES + body + FOOTER
    assert in_order(b"".join(ALL)) == b"".join(ALL)
    pieces = [section(0x75, bytes((number,))) for number in range(3)]
    assert in_order(b"".join(pieces)) == b"".join(pieces)
    assert in_order(b"") == b""
    for cut in range(1, len(PROPERTIES)):
        with pytest.raises(DecodeError):
            in_order(body + PROPERTIES[:cut])


def test_what_is_in_a_section_is_looked_at_when_it_is_asked_for() -> None:
    found = Sections(section(0x70, [5]) + b"\x00\x53\x74\xc1\x04\x02\xa1\x01\xff" + BODY)
    assert found.body_values() == [b"body"]
    with pytest.raises(DecodeError, match="durable"):
        found.header()
    with pytest.raises(DecodeError):
        found.application_properties()


def test_headers_are_decoded_once() -> None:
    first, second = Sections(HEADER + BODY), Sections(HEADER + section(0x75, b"other"))
    assert first.header() is second.header()
    for ttl in range(2_000):
        assert Sections(encode(Header(ttl=ttl)) + BODY).header() == Header(ttl=ttl)
    assert len(module._headers) <= module.HEADERS_MAX
    assert Sections(section(0x70, [None] * 5)).header() == Header()
