"""AMQP 0-9-1 section 4.2.6.1: the basic properties."""

from __future__ import annotations

import struct
from datetime import UTC, datetime
from typing import cast

import pytest
from hypothesis import given, strategies as st
from pamqp import commands as spec

from batonmq import properties as module
from batonmq.field_encoding import encode_table
from batonmq.fields import FieldError, FieldValue, LongLong, Short, SignedByte
from batonmq.properties import EMPTY, Properties, PropertyValues
from tests.support.codec import encode_properties
from tests.test_fields import TABLES

NAMES = [
    "content_type",
    "content_encoding",
    "headers",
    "delivery_mode",
    "priority",
    "correlation_id",
    "reply_to",
    "expiration",
    "message_id",
    "timestamp",
    "type",
    "user_id",
    "app_id",
    "cluster_id",
]

SHORT = st.text(st.characters(codec="utf-8"), max_size=60)
OCTET = st.integers(0, 255)
VALUES = st.fixed_dictionaries(
    {},
    optional={
        "content_type": SHORT,
        "content_encoding": SHORT,
        "headers": TABLES,
        "delivery_mode": OCTET,
        "priority": OCTET,
        "correlation_id": SHORT,
        "reply_to": SHORT,
        "expiration": SHORT,
        "message_id": SHORT,
        "timestamp": st.integers(-(2**63), 2**63 - 1),
        "type": SHORT,
        "user_id": SHORT,
        "app_id": SHORT,
        "cluster_id": SHORT,
    },
).map(lambda values: cast(PropertyValues, values))


def get(properties: Properties, name: str) -> object:
    found: object = getattr(properties, name)
    return found


@given(VALUES)
def test_all_properties_come_back_and_absent_ones_stay_absent(values: PropertyValues) -> None:
    properties = Properties.decode(Properties.make(**values).raw)
    for name in NAMES:
        if name != "priority" or name in values:
            assert get(properties, name) == values.get(name)
    assert properties.persistent == (values.get("delivery_mode") == 2)
    assert properties.priority == values.get("priority", 0)
    assert properties.plain == (not values.keys() & {"headers", "expiration", "reply_to", "user_id"})


@given(VALUES)
def test_another_implementation_reads_the_same(values: PropertyValues) -> None:
    oracle = spec.Basic.Properties()
    # pamqp knows no empty headers, reads times as datetimes, and asks for an empty cluster_id.
    values = {k: v for k, v in values.items() if k not in ("headers", "timestamp", "cluster_id")}  # type: ignore[assignment]
    raw = Properties.make(**values).raw
    oracle.unmarshal(int.from_bytes(raw[:2], "big"), raw[2:])
    for name in NAMES:
        if name != "cluster_id":
            assert getattr(oracle, "message_type" if name == "type" else name) == values.get(name)


def test_what_another_implementation_writes_is_read() -> None:
    when = datetime(2024, 5, 1, 12, tzinfo=UTC)
    raw = encode_properties(
        spec.Basic.Properties(content_type="text/plain", headers={"k": [1, "v"]}, delivery_mode=2, timestamp=when)
    )
    properties = Properties.decode(raw)
    assert properties.headers == {"k": [1, "v"]}
    assert properties.timestamp == when.timestamp()
    assert properties.persistent
    # pamqp writes small integers in the narrowest type.
    headers: dict[str, FieldValue] = {"k": [SignedByte(1), "v"]}
    assert properties == Properties.make(content_type="text/plain", headers=headers, delivery_mode=2, timestamp=when)


@given(VALUES, VALUES)
def test_replace_changes_what_it_is_told_and_no_other_octet(values: PropertyValues, changes: PropertyValues) -> None:
    merged = cast(PropertyValues, {**values, **changes})
    assert Properties.make(**values).replace(**changes) == Properties.make(**merged)


@given(VALUES, st.text(st.characters(max_codepoint=127), max_size=255))
def test_a_correlation_id_comes_to_properties_without_one_and_changes_no_other_octet(
    values: PropertyValues, correlation_id: str
) -> None:
    without = Properties.make(**values).replace(correlation_id=None)
    made = without.correlated(correlation_id.encode())
    expected = without.replace(correlation_id=correlation_id)
    assert made == expected
    assert (made.persistent, made.priority, made.plain) == (expected.persistent, expected.priority, expected.plain)


def test_replace_removes_with_none_and_keeps_wire_types() -> None:
    headers: dict[str, FieldValue] = {"n": Short(3), "l": LongLong(1)}
    properties = Properties.make(headers=headers, expiration="1000", message_id="m")
    changed = properties.replace(expiration=None)
    assert changed.expiration is None
    assert encode_table(headers) in changed.raw
    assert changed == Properties.make(headers=headers, message_id="m")
    assert properties.expiration == "1000"


def test_names_that_are_not_utf_8_keep_their_octets() -> None:
    raw = b"\x02\x00" + b"\x02\xff\xfe"
    properties = Properties.decode(raw)
    assert properties.reply_to == "\udcff\udcfe"
    assert Properties.make(reply_to=properties.reply_to).raw == raw


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b"", "truncated"),
        (b"\x80", "truncated"),
        (b"\x80\x00", "truncated"),
        (b"\x80\x00\x05ab", "disagree"),
        (b"\x00\x00x", "disagree"),
        (b"\x20\x00", "disagree"),
        (b"\x20\x00\x00\x00\x00", "disagree"),
        (b"\x20\x00\xff\xff\xff\xff", "disagree"),
        (b"\x10\x00", "truncated"),
        (b"\x00\x40" + bytes(7), "disagree"),
        (b"\x00\x01", "flags"),
        (b"\x00\x02", "flags"),
    ],
)
def test_malformed_properties_raise_field_error(raw: bytes, why: str) -> None:
    with pytest.raises(FieldError, match=why):
        Properties.decode(raw)


@pytest.mark.parametrize("table", [b"\x01kZ", b"\x01\xffV", b"\x09k", b"\x01kS\x00\x00\x00\x09"])
def test_malformed_headers_are_skipped_and_raise_when_looked_at(table: bytes) -> None:
    properties = Properties.decode(b"\x20\x00" + struct.pack(">I", len(table)) + table)
    with pytest.raises(FieldError):
        properties.validate()
    with pytest.raises(FieldError):
        _ = properties.headers
    assert "malformed" in repr(properties)


@given(st.binary(max_size=50))
def test_garbage_is_refused_with_field_error_or_kept_as_it_is(raw: bytes) -> None:
    try:
        properties = Properties.decode(raw)
        properties.validate()
    except FieldError:
        return
    assert properties.raw == raw
    for name in NAMES:
        get(properties, name)
    assert (
        properties.replace(message_id="m", timestamp=1)
        .replace(message_id=properties.message_id, timestamp=properties.timestamp)
        .raw
        == raw
    )


@pytest.mark.parametrize(
    "values",
    [
        {"priority": 256},
        {"delivery_mode": -1},
        {"timestamp": 2**63},
        {"content_type": "x" * 256},
        {"headers": {"k": object()}},
        {"headers": 5},
        {"expiration": 5},
        {"message_id": b"bytes"},
        {"timestamp": "now"},
    ],
)
def test_values_that_do_not_fit_are_refused(values: PropertyValues) -> None:
    with pytest.raises(FieldError, match=f"property {next(iter(values))}"):
        Properties.make(**values)


def test_an_unknown_property_is_a_type_error() -> None:
    with pytest.raises(TypeError, match="colour"):
        Properties.make(colour="red")  # type: ignore[call-arg]


def test_mentions_never_misses_a_header() -> None:
    properties = Properties.make(headers={"CC": ["a"]}, content_type="BCC")
    assert properties.mentions(b"CC")
    assert not properties.mentions(b"x-delay")
    assert not Properties.make(content_type="CC").mentions(b"CC")
    assert properties.mentions_either(b"CC", b"x-delay")
    assert properties.mentions_either(b"x-delay", b"CC")
    assert not properties.mentions_either(b"x-delay", b"x-own")
    assert not Properties.make(content_type="CC").mentions_either(b"CC", b"CC")


def test_small_properties_are_shared_and_the_cache_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    cache: dict[bytes, Properties] = {}
    monkeypatch.setattr(module, "_cache", cache)
    raw = Properties.make(app_id="a").raw
    assert Properties.decode(raw) is Properties.decode(bytes(bytearray(raw)))
    large = Properties.make(app_id="a" * 100).raw
    assert Properties.decode(large) is not Properties.decode(large)
    for number in range(2 * module.CACHED_ENTRIES):
        Properties.make(message_id=str(number))
        assert len(cache) <= module.CACHED_ENTRIES


def test_no_properties() -> None:
    assert EMPTY.raw == b"\0\0"
    assert Properties.make() == EMPTY
    assert EMPTY.plain
    assert {EMPTY: 1}[Properties.make()] == 1
    assert repr(Properties.make(priority=3)) == "Properties.make(priority=3)"
