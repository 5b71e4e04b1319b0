"""Values of AMQP 1.0 as fields of 0-9-1, and back: types are kept where the other has them."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given, strategies as st

from batonmq import fields
from batonmq.field_decoding import decode_table
from batonmq.field_encoding import encode_table
from batonmq.fields import FieldValue
from batonmq.protocols.amqp10.codec import values
from batonmq.protocols.amqp10.codec.kinds import FrozenMap
from batonmq.protocols.amqp10.codec.values import decode_whole, encode
from batonmq.protocols.amqp10.messages.decimals import decimal64_of, decimal_of
from batonmq.protocols.amqp10.messages.field_values import from_field, to_field


@pytest.mark.parametrize(
    ("value", "field", "back"),
    [
        (None, None, None),
        (True, True, True),
        (values.UByte(255), fields.UnsignedByte(255), values.UByte(255)),
        (values.UShort(65_535), fields.UnsignedShort(65_535), values.UShort(65_535)),
        (values.UInt(2**32 - 1), fields.UnsignedInt(2**32 - 1), values.UInt(2**32 - 1)),
        (values.ULong(2**63 - 1), fields.LongLong(2**63 - 1), values.Long(2**63 - 1)),
        (values.ULong(2**63), str(2**63), str(2**63)),
        (values.Byte(-128), fields.SignedByte(-128), values.Byte(-128)),
        (values.Short(-1), fields.Short(-1), values.Short(-1)),
        (values.Int(-1), -1, values.Int(-1)),
        (values.Long(-1), fields.LongLong(-1), values.Long(-1)),
        (values.Float(1.5), fields.Float32(1.5), values.Float(1.5)),
        (0.1, 0.1, 0.1),
        (values.Char("é"), "é", "é"),
        (values.Symbol("s"), "s", "s"),
        ("text", "text", "text"),
        (b"\xff", b"\xff", b"\xff"),
        (values.Timestamp(1_700_000_000_999), fields.Timestamp(1_700_000_000), values.Timestamp(1_700_000_000_000)),
        (values.Timestamp(-1), fields.Timestamp(-1), values.Timestamp(-1000)),
        (uuid.UUID(int=1), f"urn:uuid:{uuid.UUID(int=1)}", f"urn:uuid:{uuid.UUID(int=1)}"),
        ([1, ["a"]], [fields.LongLong(1), ["a"]], [values.Long(1), ["a"]]),
        ((values.Int(1),), [1], [values.Int(1)]),
        (values.Array(values.Int, [1, 2]), [1, 2], [values.Int(1), values.Int(2)]),
        ({"k": {values.Symbol("s"): b"v"}}, {"k": {"s": b"v"}}, {values.Symbol("k"): {values.Symbol("s"): b"v"}}),
        (FrozenMap((("k", "v"),)), {"k": "v"}, {values.Symbol("k"): "v"}),
        ({values.Int(1): "v"}, [[1, "v"]], [[values.Int(1), "v"]]),
        (values.Described(values.ULong(9), values.Symbol("s")), "s", "s"),
    ],
)
def test_a_value_becomes_a_field_and_a_value_again(value: object, field: FieldValue, back: object) -> None:
    made = to_field(value)
    assert (made, type(made)) == (field, type(field))
    again = from_field(made)
    assert (again, type(again)) == (back, type(back))


def test_a_key_that_is_no_name_makes_an_array_of_pairs() -> None:
    assert to_field({"k" * 256: values.Int(1), "a": values.Int(2)}) == [["k" * 256, 1], ["a", 2]]


def test_what_is_no_value_is_refused() -> None:
    with pytest.raises(values.DecodeError):
        to_field(object())
    with pytest.raises(TypeError):
        from_field(object())  # type: ignore[arg-type]


def test_fields_that_only_0_9_1_has() -> None:
    assert from_field(fields.LongString(b"\xff")) == b"\xff"
    assert from_field("\udcff") == b"\xff"
    assert from_field({"é": 1}) == {"é": 1}
    assert from_field(datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)) == 1_700_000_000_000
    assert from_field(datetime(2023, 11, 14, 22, 13, 20)) == 1_700_000_000_000
    assert from_field(fields.Timestamp(2**62)) == 2**63 - 1


# ---------------------------------------------------------------------- decimals


@pytest.mark.parametrize(
    ("octets", "number"),
    [
        ("32800000", "0"),
        ("b2800001", "-1"),
        ("6cb8967f", "9999999"),
        ("6cb89680", "0"),
        ("78000000", "Infinity"),
        ("f8000000", "-Infinity"),
        ("7c000000", "NaN"),
        ("318000000000007b", "1.23"),
        ("6c7386f26fc0ffff", "9999999999999999"),
        ("3040000000000000000000000000002a", "42"),
        ("303a0000000000000000000000000001", "0.001"),
    ],
)
def test_octets_of_a_decimal(octets: str, number: str) -> None:
    assert str(decimal_of(bytes.fromhex(octets))) == number


def test_a_decimal_that_0_9_1_has_no_room_for_is_a_text() -> None:
    assert to_field(values.Decimal64(bytes.fromhex("6c7386f26fc0ffff"))) == "9999999999999999"
    assert to_field(values.Decimal32(bytes.fromhex("7c000000"))) == "NaN"
    assert to_field(values.Decimal32(bytes.fromhex("b2800001"))) == Decimal(-1)
    assert from_field(Decimal(10**17)) == str(10**17)
    assert from_field(Decimal("NaN")) == "NaN"


@given(st.integers(0, 1), st.integers(0, 10**16 - 1), st.integers(-398, 369))
def test_a_decimal_of_16_digits_comes_back(sign: int, coefficient: int, exponent: int) -> None:
    number = Decimal((sign, tuple(map(int, str(coefficient))), exponent))
    made = decimal64_of(number)
    assert made is not None
    assert decimal_of(made).as_tuple() == number.as_tuple()


# ---------------------------------------------------------------------- all that there is

scalars: st.SearchStrategy[FieldValue] = st.one_of(
    st.none(),
    st.booleans(),
    st.text(),
    st.binary(),
    st.integers(-(2**31), 2**31 - 1),
    st.integers(-(2**63), 2**63 - 1).map(fields.LongLong),
    st.integers(-128, 127).map(fields.SignedByte),
    st.integers(0, 255).map(fields.UnsignedByte),
    st.integers(-(2**15), 2**15 - 1).map(fields.Short),
    st.integers(0, 2**16 - 1).map(fields.UnsignedShort),
    st.integers(0, 2**32 - 1).map(fields.UnsignedInt),
    st.integers(-(2**50), 2**50).map(fields.Timestamp),
    st.floats(allow_nan=False),
    st.floats(allow_nan=False, width=32).map(fields.Float32),
    st.builds(
        lambda unscaled, scale: Decimal(unscaled).scaleb(-scale),
        st.integers(-(2**31), 2**31 - 1),
        st.integers(0, 255),
    ),
)
names = st.text(max_size=60)
any_field: st.SearchStrategy[FieldValue] = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(names, inner, max_size=4)),
    max_leaves=12,
)


def typed(value: FieldValue) -> object:
    """With the types, which compare as equal."""
    if isinstance(value, dict):
        return {name: typed(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [typed(inner) for inner in value]
    return (type(value), str(value) if isinstance(value, Decimal) else value)


@given(st.dictionaries(names, any_field, max_size=6))
def test_headers_come_back_with_their_types(headers: dict[str, FieldValue]) -> None:
    headers = decode_table(raw := encode_table(headers), 0, len(raw))[0]
    value = decode_whole(encode(from_field(headers)))
    assert typed(to_field(value)) == typed(headers)
