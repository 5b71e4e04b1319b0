"""AMQP 0-9-1 section 4.2.5.5: field tables and arrays, with the types that are really on the wire."""

from __future__ import annotations

import struct
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import cast

import pytest
from hypothesis import given, strategies as st
from pamqp import decode as oracle_decode, encode as oracle_encode

from batonmq.field_decoding import decode_table
from batonmq.field_encoding import encode_table, type_name
from batonmq.fields import (
    MAX_DEPTH,
    FieldError,
    FieldValue,
    Float32,
    LongInteger,
    LongLong,
    LongString,
    Short,
    SignedByte,
    Timestamp,
    UnsignedByte,
    UnsignedInt,
    UnsignedShort,
)


def sized(data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + data


def table_of(*fields: bytes) -> bytes:
    """A table with the fields a, b, c ... of these encodings."""
    return sized(b"".join(b"\x01" + bytes((97 + i,)) + value for i, value in enumerate(fields)))


def decode(data: bytes) -> dict[str, FieldValue]:
    table, end = decode_table(data, 0, len(data))
    assert end == len(data)
    return table


WIRE = [
    (b"t\x00", False, bool, "bool"),
    (b"t\x01", True, bool, "bool"),
    (b"b\x80", -128, SignedByte, "byte"),
    (b"B\xff", 255, UnsignedByte, "unsignedbyte"),
    (b"s\x80\x00", -(2**15), Short, "short"),
    (b"u\xff\xff", 2**16 - 1, UnsignedShort, "unsignedshort"),
    (b"I\x80\x00\x00\x00", -(2**31), int, "signedint"),
    (b"i\xff\xff\xff\xff", 2**32 - 1, UnsignedInt, "unsignedint"),
    (b"l\x80" + bytes(7), -(2**63), LongLong, "long"),
    (b"l" + bytes(7) + b"\x05", 5, LongLong, "long"),
    (b"L" + bytes(7) + b"\x05", 5, LongInteger, "long"),
    (b"f\x3f\x80\x00\x00", 1.0, Float32, "float"),
    (b"d\x3f\xf0" + bytes(6), 1.0, float, "double"),
    (b"D\x02\xff\xff\xff\x85", Decimal("-1.23"), Decimal, "decimal"),
    (b"D\x02\x00\x00\x00\x78", Decimal("1.20"), Decimal, "decimal"),
    (b"D\xff\x00\x00\x00\x00", Decimal(0), Decimal, "decimal"),
    (b"S\x00\x00\x00\x02\xc3\xa9", "é", str, "longstr"),
    (b"S\x00\x00\x00\x00", "", str, "longstr"),
    (b"S\x00\x00\x00\x01\xff", b"\xff", LongString, "longstr"),
    (b"x\x00\x00\x00\x02hi", b"hi", bytes, "binary"),
    (b"T" + bytes(6) + b"\x01\x00", 256, Timestamp, "timestamp"),
    (b"T" + b"\xff" * 8, -1, Timestamp, "timestamp"),
    (b"V", None, type(None), "void"),
    (b"A\x00\x00\x00\x03t\x01V", [True, None], list, "array"),
    (b"A\x00\x00\x00\x00", [], list, "array"),
    (b"F\x00\x00\x00\x04\x01kt\x01", {"k": True}, dict, "table"),
    (b"F\x00\x00\x00\x00", {}, dict, "table"),
]


@pytest.mark.parametrize(("wire", "value", "kind", "name"), WIRE)
def test_each_type_keeps_its_octets_and_has_pythons_value(wire: bytes, value: object, kind: type, name: str) -> None:
    data = table_of(wire)
    found = decode(data)["a"]
    assert found == value
    assert type(found) is kind
    assert type_name(found) == name
    assert encode_table({"a": found}) == data


def test_a_decimal_keeps_its_scale() -> None:
    assert str(decode(table_of(b"D\x03\x00\x00\x04\xb0"))["a"]) == "1.200"


def test_the_classes_that_keep_a_type_compare_and_hash_as_plain_values() -> None:
    assert {UnsignedByte(7)} == {7}
    assert Short(-1) == -1
    assert {LongString(b"\xff")} == {b"\xff"}


PLAIN: list[tuple[FieldValue, bytes]] = [
    (True, b"t\x01"),
    (2**31 - 1, b"I\x7f\xff\xff\xff"),
    (2**31, b"l\x00\x00\x00\x00\x80\x00\x00\x00"),
    (-(2**31) - 1, b"l\xff\xff\xff\xff\x7f\xff\xff\xff"),
    (datetime(1970, 1, 1, 0, 1, tzinfo=UTC), b"T" + bytes(7) + b"\x3c"),
    (datetime(1970, 1, 1, 0, 1), b"T" + bytes(7) + b"\x3c"),
    (datetime(1970, 1, 1, 1, 1, tzinfo=timezone(timedelta(hours=1))), b"T" + bytes(7) + b"\x3c"),
    (Decimal("1.5E+2"), b"D\x00\x00\x00\x00\x96"),
    ("\udcff", b"S\x00\x00\x00\x01\xff"),
    (cast("FieldValue", (True, None)), b"A\x00\x00\x00\x03t\x01V"),
]


@pytest.mark.parametrize(("value", "wire"), PLAIN)
def test_plain_values_get_the_type_that_holds_them(value: FieldValue, wire: bytes) -> None:
    assert encode_table({"a": value}) == table_of(wire)


@pytest.mark.parametrize(
    "value",
    [
        2**63,
        UnsignedByte(256),
        Short(2**15),
        Timestamp(2**63),
        Float32(1e300),
        Decimal("1e99"),
        Decimal("1." + "1" * 5000),
        Decimal("1e-256"),
        Decimal("NaN"),
        "\ud800",
        object(),
        {"k" * 256: 1},
        {"\udcff": 1},
        [{1, 2}],
    ],
)
def test_what_does_not_fit_the_wire_is_refused(value: FieldValue) -> None:
    with pytest.raises(FieldError):
        encode_table({"a": value})


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "truncated"),
        (b"\x00\x00\x00", "truncated"),
        (b"\x00\x00\x00\x01", "longer than what holds it"),
        (b"\xff\xff\xff\xff", "longer than what holds it"),
        (sized(b"\x01"), "truncated"),
        (sized(b"\x01a"), "truncated"),
        (sized(b"\x05aI"), "truncated"),
        (sized(b"\x01\xffV"), "not UTF-8"),
        (table_of(b"Z"), "unknown type"),
        (table_of(b"I\x00\x00\x00"), "truncated"),
        (table_of(b"t"), "truncated"),
        (table_of(b"S\x00\x00\x00\x02a"), "a string is longer"),
        (table_of(b"S\xff\xff\xff\xff"), "a string is longer"),
        (table_of(b"x\x00\x00\x00\x02a"), "a string is longer"),
        (table_of(b"A\x00\x00\x00\x02V"), "longer than what holds it"),
        (table_of(b"A\x00\x00\x00\x01I\x00\x00\x00\x00"), "longer than the array"),
        (table_of(b"F\x00\x00\x00\x02V"), "longer than what holds it"),
    ],
)
def test_malformed_tables_raise_field_error(data: bytes, why: str) -> None:
    with pytest.raises(FieldError, match=why):
        decode_table(data, 0, len(data))


def test_nothing_behind_the_given_end_is_read() -> None:
    data = table_of(b"I\x00\x00\x00\x01")
    with pytest.raises(FieldError):
        decode_table(data, 0, len(data) - 1)
    inner = sized(b"\x01aI\x00\x00") + b"\x00\x01"
    with pytest.raises(FieldError, match="longer than the table"):
        decode_table(inner, 0, len(inner))


def test_a_table_is_decoded_where_it_stands() -> None:
    data = b"before" + table_of(b"V") + b"after"
    assert decode_table(data, 6, len(data)) == ({"a": None}, len(data) - 5)


@pytest.mark.parametrize("kind", [b"A", b"F"])
def test_nesting_ends_at_the_limit_and_not_in_a_recursion_error(kind: bytes) -> None:
    def nested(levels: int) -> bytes:
        value = kind + sized(b"")
        for _ in range(levels - 2):
            value = kind + sized((b"\x01k" if kind == b"F" else b"") + value)
        return sized(b"\x01k" + value)

    assert decode(nested(MAX_DEPTH))
    for levels in (MAX_DEPTH + 1, 20_000):
        data = nested(levels)
        with pytest.raises(FieldError, match="nested"):
            decode_table(data, 0, len(data))


def test_encoding_is_limited_in_depth_too() -> None:
    value: FieldValue = {}
    for _ in range(MAX_DEPTH - 1):
        value = {"k": value}
    assert isinstance(value, dict)
    assert decode(encode_table(value)) == value
    with pytest.raises(FieldError, match="nested"):
        encode_table({"k": value})
    endless: list[FieldValue] = []
    endless.append(endless)
    with pytest.raises(FieldError, match="nested"):
        encode_table({"k": endless})


KEYS = st.text(st.characters(codec="utf-8"), max_size=20)
SCALARS: st.SearchStrategy[FieldValue] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False),
    st.text(st.characters(codec="utf-8")),
    st.binary(),
    st.builds(SignedByte, st.integers(-128, 127)),
    st.builds(UnsignedByte, st.integers(0, 255)),
    st.builds(Short, st.integers(-(2**15), 2**15 - 1)),
    st.builds(UnsignedShort, st.integers(0, 2**16 - 1)),
    st.builds(UnsignedInt, st.integers(0, 2**32 - 1)),
    st.builds(LongLong, st.integers(-(2**63), 2**63 - 1)),
    st.builds(LongInteger, st.integers(-(2**63), 2**63 - 1)),
    st.builds(Timestamp, st.integers(-(2**63), 2**63 - 1)),
    st.builds(Float32, st.floats(width=32, allow_nan=False)),
    st.builds(lambda n, scale: Decimal(n).scaleb(-scale), st.integers(-(2**31) + 1, 2**31 - 1), st.integers(0, 255)),
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4), max_leaves=20
)
TABLES = st.dictionaries(KEYS, VALUES, max_size=8)


@given(TABLES)
def test_any_table_comes_back_with_types_and_octets(table: dict[str, FieldValue]) -> None:
    data = encode_table(table)
    found = decode(data)
    assert found == table
    assert encode_table(found) == data


@given(st.binary(max_size=60))
def test_garbage_is_decoded_or_refused_with_field_error(data: bytes) -> None:
    for whole in (data, sized(data), table_of(data)):
        try:
            table, end = decode_table(whole, 0, len(whole))
        except FieldError:
            continue
        assert end <= len(whole)
        decode(encode_table(table))


@given(
    st.dictionaries(
        KEYS,
        st.one_of(
            st.none(),
            st.booleans(),
            st.text(st.characters(codec="utf-8"), max_size=50),
            st.integers(-(2**63), 2**63 - 1),
            st.lists(st.booleans(), max_size=3),
            st.dictionaries(KEYS, st.booleans(), max_size=3),
        ),
        max_size=6,
    )
)
def test_another_implementation_agrees(table: dict[str, FieldValue]) -> None:
    assert decode(oracle_encode.field_table(table)) == table  # type: ignore[arg-type]
    assert oracle_decode.field_table(encode_table(table))[1] == table
