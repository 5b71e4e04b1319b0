"""AMQP 1.0 part 1: every type in every encoding, and what no value is."""

from __future__ import annotations

import math
import struct
import uuid
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given, strategies as st

from batonmq.protocols.amqp10.codec.values import (
    MAX_DEPTH,
    MAX_NOTHINGS,
    MAX_ODD_KEYS,
    Array,
    Byte,
    Char,
    Decimal32,
    Decimal64,
    Decimal128,
    DecodeError,
    Described,
    EncodeError,
    Float,
    FrozenMap,
    Int,
    Long,
    Short,
    Symbol,
    Timestamp,
    UByte,
    UInt,
    ULong,
    UShort,
    decode,
    decode_whole,
    encode,
    skip,
)

UUID = uuid.UUID("12345678-1234-5678-1234-567812345678")


def typed(value: object) -> object:
    """A value with its types, so that 1 and UInt(1) differ, and NaN is itself."""
    if isinstance(value, list | tuple):
        return (type(value).__name__, [typed(element) for element in value])
    if isinstance(value, dict):
        return ("dict", [(typed(key), typed(entry)) for key, entry in value.items()])
    if isinstance(value, Described):
        return ("described", typed(value.descriptor), typed(value.value))
    if isinstance(value, Array):
        return ("array", value.kind, typed(value.values), typed(value.descriptors))
    if isinstance(value, float):
        return (type(value).__name__, struct.pack(">d", value))
    return (type(value).__name__, value)


# Octets, the value that they are, and whether that is the shortest encoding.
ENCODINGS: list[tuple[str, object, bool]] = [
    ("40", None, True),
    ("41", True, True),
    ("42", False, True),
    ("56 01", True, False),
    ("56 00", False, False),
    ("50 ff", UByte(255), True),
    ("60 ffff", UShort(65535), True),
    ("43", UInt(0), True),
    ("52 01", UInt(1), True),
    ("52 00", UInt(0), False),
    ("70 00000100", UInt(256), True),
    ("70 00000001", UInt(1), False),
    ("44", ULong(0), True),
    ("53 ff", ULong(255), True),
    ("80 ffffffffffffffff", ULong(2**64 - 1), True),
    ("80 0000000000000000", ULong(0), False),
    ("51 80", Byte(-128), True),
    ("61 8000", Short(-32768), True),
    ("54 ff", Int(-1), True),
    ("54 7f", Int(127), True),
    ("71 80000000", Int(-(2**31)), True),
    ("71 ffffffff", Int(-1), False),
    ("55 80", Long(-128), True),
    ("81 0000000000000080", Long(128), True),
    ("81 0000000000000001", Long(1), False),
    ("72 3fc00000", Float(1.5), True),
    ("82 7ff0000000000000", math.inf, True),
    ("74 01020304", Decimal32(b"\1\2\3\4"), True),
    ("84 0102030405060708", Decimal64(bytes(range(1, 9))), True),
    ("94 0102030405060708090a0b0c0d0e0f10", Decimal128(bytes(range(1, 17))), True),
    ("73 00000041", Char("A"), True),
    ("73 0010ffff", Char("\U0010ffff"), True),
    ("83 0000018bcfe56800", Timestamp(1_700_000_000_000), True),
    ("83 ffffffffffffffff", Timestamp(-1), True),
    ("98 12345678123456781234567812345678", UUID, True),
    ("a0 00", b"", True),
    ("a0 02 00ff", b"\0\xff", True),
    ("b0 00000001 61", b"a", False),
    ("b0 00000100" + "61" * 256, b"a" * 256, True),
    ("a1 03 68c3a9", "hé", True),
    ("a1 00", "", True),
    ("b1 00000001 61", "a", False),
    ("b1 00000100" + "61" * 256, "a" * 256, True),
    ("a3 01 61", Symbol("a"), True),
    ("b3 00000001 61", Symbol("a"), False),
    ("b3 00000100" + "61" * 256, Symbol("a" * 256), True),
    ("45", [], True),
    ("c0 01 00", [], False),
    ("d0 00000004 00000000", [], False),
    ("c0 04 02 40 52 01", [None, UInt(1)], True),
    ("d0 00000006 00000002 40 41", [None, True], False),
    ("c1 01 00", {}, True),
    ("d1 00000004 00000000", {}, False),
    ("c1 06 02 a3 01 61 52 07", {Symbol("a"): UInt(7)}, True),
    ("d1 00000006 00000002 41 42", {True: False}, False),
    ("e0 04 02 52 01 02", Array(UInt, [UInt(1), UInt(2)]), True),
    ("e0 0a 02 70 00000001 00000100", Array(UInt, [UInt(1), UInt(256)]), True),
    ("f0 00000007 00000002 a3 00 00", Array(Symbol, [Symbol(""), Symbol("")]), False),
    ("e0 02 00 a3", Array(Symbol), True),
    ("e0 02 03 40", Array(type(None), [None] * 3), True),
    ("e0 02 02 41", Array(bool, [True, True]), False),
    ("e0 04 02 56 01 00", Array(bool, [True, False]), True),
    ("e0 02 02 43", Array(UInt, [UInt(0)] * 2), False),
    ("e0 02 01 45", Array(list, [[]]), False),
    ("e0 06 01 c0 03 02 40 41", Array(list, [[None, True]]), True),
    ("e0 06 01 c1 03 02 41 40", Array(dict, [{True: None}]), True),
    ("e0 06 01 e0 03 01 50 07", Array(Array, [Array(UByte, [UByte(7)])]), True),
    ("e0 05 01 00 53 24 45", Array(list, [[]], [ULong(0x24)]), False),
    ("e0 08 01 00 53 01 00 53 02 40", Array(type(None), [None], [ULong(1), ULong(2)]), True),
    ("00 53 24 45", Described(ULong(0x24), []), True),
    ("00 a3 01 61 00 44 40", Described(Symbol("a"), Described(ULong(0), None)), True),
    ("c1 06 02 c0 02 01 41 40", {(True,): None}, True),
    ("c1 06 02 c1 01 00 52 01", {FrozenMap(): UInt(1)}, True),
]


def named(cases: list[tuple[str, object, bool]]) -> list[object]:
    return [pytest.param(*case, id=case[0][:24]) for case in cases]


@pytest.mark.parametrize(("octets", "value", "shortest"), named(ENCODINGS))
def test_each_encoding(octets: str, value: object, shortest: bool) -> None:
    data = bytes.fromhex(octets)
    found, at = decode(data)
    assert at == len(data)
    assert typed(found) == typed(value)
    assert skip(data, 0, len(data)) == len(data)
    if shortest:
        assert encode(value) == data
    else:
        assert encode(value) != data
        assert typed(decode_whole(encode(value))) == typed(value)


@pytest.mark.parametrize(("octets", "value", "shortest"), named(ENCODINGS))
def test_a_value_that_is_cut_short_is_none(octets: str, value: object, shortest: bool) -> None:
    data = bytes.fromhex(octets)
    for size in range(len(data)):
        with pytest.raises(DecodeError):
            decode(data[:size])
        # What follows belongs to somebody else.
        with pytest.raises(DecodeError):
            decode(data + bytes(16), 0, size)
        with pytest.raises(DecodeError):
            skip(data + bytes(16), 0, size)


def test_every_format_code_is_known() -> None:
    """Part 1 §1.6: all others are refused."""
    known = {bytes.fromhex(octets)[0] for octets, _, _ in ENCODINGS}
    assert len(known) == 40
    for code in set(range(256)) - known:
        with pytest.raises(DecodeError, match="constructor"):
            decode(bytes((code,)) + bytes(32))
        with pytest.raises(DecodeError, match="constructor"):
            decode(b"\xe0\x20\x01" + bytes((code,)) + bytes(40))


REFUSED: list[tuple[str, str]] = [
    ("56 02", "boolean"),
    ("73 0000d800", "character"),
    ("73 00110000", "character"),
    ("a1 01 ff", "UTF-8"),
    ("a1 03 eda080", "UTF-8"),
    ("b1 00000001 ff", "UTF-8"),
    ("a3 02 c3a9", "ASCII"),
    ("b3 00000001 80", "ASCII"),
    ("a0 05 61", "longer"),
    ("b0 ffffffff 61", "longer"),
    ("c0 00", "room for the count"),
    ("c0 00 00", "room for the count"),
    ("d0 00000003 000000", "middle"),
    ("d0 00000003 00000000", "room for the count"),
    ("c0 02 01", "longer"),
    ("c0 02 02 40", "more elements than octets"),
    ("c0 03 01 40 40", "not that of its elements"),
    ("c0 03 02 52 01", "middle|longer|elements"),
    ("c0 03 01 a1 05", "longer"),
    ("d0 00000005 ffffffff 40", "more elements than octets"),
    ("c1 02 01 40", "key without a value"),
    ("c1 05 04 41 40 41 40", "two keys"),
    ("c1 09 04 a1 01 61 40 a3 01 61 40", "two keys"),
    ("c1 06 04 43 40 52 00 40", "two keys"),
    ("e0 00", "room for the count"),
    ("e0 01 00", "middle"),
    ("e0 03 02 50 01", "more elements than octets"),
    ("e0 04 01 50 01 02", "not that of its elements"),
    ("e0 03 01 60 01", "middle|longer|not that"),
    ("f0 00000005 ffffffff 40", "no octets"),
    ("f0 00000005 00010000 45", "no octets"),
    ("f0 00000005 ffffffff 43", "no octets"),
    ("e0 05 01 56 02", "longer"),
    ("e0 03 01 56 02", "boolean"),
    ("3f", "constructor"),
]


@pytest.mark.parametrize(("octets", "text"), REFUSED, ids=[octets for octets, _ in REFUSED])
def test_what_no_value_is(octets: str, text: str) -> None:
    with pytest.raises(DecodeError, match=text) as caught:
        decode(bytes.fromhex(octets))
    assert caught.value.condition == "amqp:decode-error"


def test_values_stand_one_behind_the_other() -> None:
    data = encode("a") + encode(UInt(5)) + encode(None)
    first, at = decode(data)
    second, at = decode(data, at)
    third, at = decode(data, at, at + 1)
    assert (first, second, third, at) == ("a", 5, None, len(data))
    with pytest.raises(DecodeError, match="left"):
        decode_whole(data)
    assert decode_whole(data, 3, 5) == 5


# ---------------------------------------------------------------------- bounds


def nested(levels: int) -> dict[str, bytes]:
    """Each kind of nesting, so many levels deep."""
    lists, maps, arrays, described, descriptors, elements = b"\x45", b"\x40", b"\x40", b"\x40", b"\x40", b"\x40"
    for _ in range(levels):
        lists = b"\xd0" + struct.pack(">II", len(lists) + 4, 1) + lists
        maps = b"\xd1" + struct.pack(">II", len(maps) + 5, 2) + b"\x40" + maps
        arrays = b"\xf0" + struct.pack(">II", len(arrays) + 4, 1) + arrays
        described = b"\x00\x43" + described
        descriptors = b"\x00" + descriptors + b"\x40"
        elements = b"\x00\x43" + elements
    return {
        "lists": lists,
        "maps": maps,
        "arrays": arrays,
        "described": described,
        "descriptors": descriptors,
        "elements": b"\xf0" + struct.pack(">II", len(elements) + 4, 1) + elements,
    }


@pytest.mark.parametrize("kind", nested(1))
def test_values_are_nested_up_to_a_depth(kind: str) -> None:
    decode(nested(MAX_DEPTH - 1)[kind])
    for levels in (MAX_DEPTH + 1, 3_000):
        with pytest.raises(DecodeError, match="levels deep"):
            decode(nested(levels)[kind])


def test_what_takes_no_octets_is_counted_over_all_of_a_value() -> None:
    array = b"\xf0" + struct.pack(">II", 5, 60) + b"\x45"
    assert len(decode(array)[0]) == 60  # type: ignore[arg-type]
    body = array * 100
    with pytest.raises(DecodeError, match="no octets"):
        decode(b"\xd0" + struct.pack(">II", len(body) + 4, 100) + body)


COLLIDING: dict[str, Callable[[int], object]] = {
    # Hashes of integers are remainders; -1 and -2 have the same.
    "uuids": lambda number: uuid.UUID(int=number * (2**61 - 1)),
    "lists": lambda number: tuple(Long(-1 - (number >> bit & 1)) for bit in range(16)),
    "maps": lambda number: FrozenMap([(UInt(1), tuple(Long(-1 - (number >> bit & 1)) for bit in range(16)))]),
    "described": lambda number: Described(UInt(0), tuple(Long(-1 - (number >> bit & 1)) for bit in range(16))),
    "arrays": lambda number: Array(Long, [Long(-1 - (number >> bit & 1)) for bit in range(16)]),
}


@pytest.mark.parametrize("kind", COLLIDING)
def test_keys_that_a_peer_can_make_alike_are_few(kind: str) -> None:
    keys = [COLLIDING[kind](number) for number in range(2_000)]
    assert len({hash(key) for key in keys[:50]}) == 1
    few = {key: UInt(1) for key in keys[:MAX_ODD_KEYS]}
    assert decode_whole(encode(few)) == few
    # Encoded by hand: a dictionary of all of them takes long, too.
    body = b"".join(encode(key) + b"\x40" for key in keys)
    with pytest.raises(DecodeError, match="uuids or compound"):
        decode(b"\xd1" + struct.pack(">II", len(body) + 4, 2 * len(keys)) + body)
    many = {UInt(number): None for number in range(10_000)}
    assert decode_whole(encode(many)) == many


def test_encoding_is_bounded_too() -> None:
    value: object = []
    for _ in range(MAX_DEPTH - 1):
        value = [value]
    assert decode(encode(value))[0] == value
    for deeper in ([value], {"a": value}, Described(UInt(0), value), Array(list, [value])):
        with pytest.raises(EncodeError, match="levels deep"):
            encode(deeper)
    with pytest.raises(EncodeError, match="null"):
        encode(Array(type(None), [None] * (MAX_NOTHINGS + 1)))


def test_an_array_of_null_that_could_not_be_written_again_is_not_read() -> None:
    """Not even where the value has octets enough: each element has none in any encoding."""

    def listed(count: int) -> bytes:
        return (
            b"\xd0" + struct.pack(">II", 4 + 3 + 1 + 106, 2) + bytes((0xE0, 2, count, 0x40)) + b"\xa0\x68" + bytes(104)
        )

    most, _ = decode(listed(MAX_NOTHINGS))
    assert decode(encode(most))[0] == most
    with pytest.raises(DecodeError, match="null"):
        decode(listed(MAX_NOTHINGS + 1))


@pytest.mark.parametrize(
    "value",
    [
        UByte(256),
        UByte(-1),
        UShort(65536),
        UInt(1 << 32),
        UInt(-1),
        ULong(1 << 64),
        Byte(128),
        Short(40000),
        Int(1 << 31),
        Long(1 << 63),
        1 << 63,
        Timestamp(1 << 63),
        Float(1e300),
        Decimal32(b"123"),
        Decimal64(b""),
        Decimal128(b"1"),
        Char(""),
        Char("ab"),
        Char("\ud800"),
        Symbol("é"),
        "\ud800",
        pytest.param(object(), id="no value"),
        {1},
        Array(object),
        Array(UInt, ["a"]),
        Array(UInt, [1 << 32]),
        Array(UInt, [-1]),
        Array(str, [1]),
        Array(list, [1]),
        Array(dict, [1]),
        Array(Array, [1]),
        Array(bool, [1]),
        [Byte(200)],
        {"a": UByte(300)},
    ],
    ids=repr,
)
def test_what_has_no_encoding(value: object) -> None:
    with pytest.raises(EncodeError):
        encode(value)


def test_python_s_own_types() -> None:
    assert encode(5) == encode(Long(5))
    assert encode((1, 2)) == encode([1, 2])
    assert encode(bytearray(b"a")) == encode(memoryview(b"a")) == encode(b"a")
    assert encode(Array(int, [1, -1])) == encode(Array(Long, [Long(1), Long(-1)]))

    class Mine(UInt):
        """A type of somebody else's."""

    assert encode(Mine(7)) == encode(UInt(7))


def test_an_array_gives_its_elements_with_their_descriptors() -> None:
    array = Array(str, ["a", "b"], [Symbol("x"), Symbol("y")])
    x, y = Symbol("x"), Symbol("y")
    assert list(array) == [Described(x, Described(y, "a")), Described(x, Described(y, "b"))]
    assert list(Array(str, ["a"])) == ["a"]
    assert len(array) == 2
    assert array != Array(str, ["a", "b"])
    assert "descriptors" in repr(array)


# ---------------------------------------------------------------------- any value


def integers(kind: type[int], low: int, high: int) -> st.SearchStrategy[object]:
    return st.integers(low, high).map(kind)


TEXT = st.text(max_size=300)
ASCII = st.text(st.characters(max_codepoint=127), max_size=300)
PLAIN: dict[type, st.SearchStrategy[object]] = {
    type(None): st.none(),
    bool: st.booleans(),
    UByte: integers(UByte, 0, 255),
    UShort: integers(UShort, 0, 65535),
    UInt: integers(UInt, 0, 2**32 - 1),
    ULong: integers(ULong, 0, 2**64 - 1),
    Byte: integers(Byte, -128, 127),
    Short: integers(Short, -(2**15), 2**15 - 1),
    Int: integers(Int, -(2**31), 2**31 - 1),
    Long: integers(Long, -(2**63), 2**63 - 1),
    Timestamp: integers(Timestamp, -(2**63), 2**63 - 1),
    Float: st.floats(width=32, allow_nan=False).map(Float),
    float: st.floats(allow_nan=False),
    Decimal32: st.binary(min_size=4, max_size=4).map(Decimal32),
    Decimal64: st.binary(min_size=8, max_size=8).map(Decimal64),
    Decimal128: st.binary(min_size=16, max_size=16).map(Decimal128),
    Char: st.characters(exclude_categories=["Cs"]).map(Char),
    uuid.UUID: st.uuids(),
    bytes: st.binary(max_size=300),
    str: TEXT,
    Symbol: ASCII.map(Symbol),
}


def compound(inner: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    lists = st.lists(inner, max_size=4)
    keys = st.one_of(*PLAIN.values())
    maps = st.dictionaries(keys, inner, max_size=4)
    descriptors = st.one_of(PLAIN[Symbol], PLAIN[ULong])
    arrays: st.SearchStrategy[object] = st.sampled_from(list(PLAIN)).flatmap(
        lambda kind: st.builds(
            Array, st.just(kind), st.lists(PLAIN[kind], max_size=5), st.lists(descriptors, max_size=2)
        )
    )
    return st.one_of(
        lists,
        maps,
        arrays,
        st.builds(Array, st.just(list), st.lists(lists, max_size=3)),
        st.builds(Array, st.just(dict), st.lists(maps, max_size=3), st.lists(descriptors, max_size=1)),
        st.builds(Array, st.just(Array), st.lists(arrays, max_size=3)),
        st.builds(Described, descriptors, inner),
    )


VALUES = st.recursive(st.one_of(*PLAIN.values()), compound, max_leaves=12)


@given(VALUES)
def test_a_value_comes_back_as_it_was(value: object) -> None:
    data = encode(value)
    found, at = decode(data)
    assert at == len(data) == skip(data, 0, at)
    assert typed(found) == typed(value)


def longer(value: object) -> Iterator[bytes]:
    """Encodings of a value that are not the shortest."""
    if isinstance(value, bool):
        yield b"\x56" + bytes((value,))
    elif isinstance(value, UInt):
        yield b"\x70" + struct.pack(">I", value)
    elif isinstance(value, ULong):
        yield b"\x80" + struct.pack(">Q", value)
    elif isinstance(value, Int):
        yield b"\x71" + struct.pack(">i", value)
    elif isinstance(value, Long):
        yield b"\x81" + struct.pack(">q", value)
    elif isinstance(value, Symbol):
        yield b"\xb3" + struct.pack(">I", len(value)) + value.encode()
    elif type(value) is str:
        raw = value.encode()
        yield b"\xb1" + struct.pack(">I", len(raw)) + raw
    elif type(value) is bytes:
        yield b"\xb0" + struct.pack(">I", len(value)) + value


@given(st.lists(st.one_of(*PLAIN.values()), max_size=6))
def test_what_was_encoded_longer_becomes_the_shortest(values: list[object]) -> None:
    body = b"".join(next(longer(value), encode(value)) for value in values)
    found = decode_whole(b"\xd0" + struct.pack(">II", len(body) + 4, len(values)) + body)
    assert encode(found) == encode(values)


@given(st.binary(max_size=60))
def test_any_bytes_are_a_value_or_refused(data: bytes) -> None:
    try:
        found, at = decode(data)
    except DecodeError:
        return
    assert 0 < at <= len(data)
    canonical = encode(found)
    again, stop = decode(canonical)
    assert stop == len(canonical)
    assert encode(again) == canonical
