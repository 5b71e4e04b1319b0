"""JSON from outside: its depth is bounded whoever reads it, and what is wrong with it is said in a line."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

import msgspec
import pytest
from hypothesis import given, strategies as st

from batonmq.fields import MAX_DEPTH
from batonmq.json_text import JsonError, check_depth, read_json, read_json_as

READERS: tuple[Callable[[bytes], object], ...] = (read_json, lambda data: read_json_as(data, object))
OPENINGS = st.sampled_from(["[", '{"a":', '[1,"[[{\\"",', '{"\\\\":[],"b":'])
CLOSINGS = {"[": "]", "{": "}"}


def nested(openings: list[str], inner: str = "1") -> str:
    return "".join(openings) + inner + "".join(CLOSINGS[one[0]] for one in reversed(openings))


@given(st.lists(OPENINGS, max_size=2 * MAX_DEPTH))
def test_as_many_levels_as_tables_may_have_and_no_more(openings: list[str]) -> None:
    text = nested(openings)
    for read in READERS:
        if len(openings) <= MAX_DEPTH:
            assert read(text.encode()) == json.loads(text)
        else:
            with pytest.raises(JsonError, match=f"nested deeper than {MAX_DEPTH} levels"):
                read(text.encode())


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize(
    "data",
    [b"[" * 100_000, b"[" * 100_000 + b"]" * 100_000, b'{"a":' * 5000, b"[[]," * 5000, b"\xff\xfe" + b"[\0" * 5000],
)  # fmt: skip
def test_what_has_no_end_is_refused(read: Callable[[bytes], object], data: bytes) -> None:
    with pytest.raises(JsonError):
        read(data)


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize("data", [b"", b"{", b'"\xff"', b"nothing", b"]" * 500, b'"' + b"[" * 500, b'"\\' + b"[" * 500])
def test_what_is_no_json_is_said_so(read: Callable[[bytes], object], data: bytes) -> None:
    with pytest.raises(JsonError, match="not JSON"):
        read(data)


def test_brackets_in_strings_and_beside_each_other_are_no_levels() -> None:
    values: tuple[object, ...] = (
        ["[" * 500, {"{\\" * 500: '"[[' * 500}],
        [[]] * 1000,
        {str(number): {} for number in range(1000)},
    )
    for value in values:
        assert read_json(json.dumps(value)) == value
        assert read_json_as(json.dumps(value).encode(), object) == value


def test_json_of_another_type_is_told_from_what_is_no_json() -> None:
    with pytest.raises(msgspec.ValidationError):
        read_json_as(b"[1]", dict[str, object])
    with pytest.raises(JsonError, match="nested"):
        read_json_as(b'{"a":' * 100 + b"1" + b"}" * 100, dict[str, object])


def test_counting_takes_time_in_proportion_to_the_text() -> None:
    def seconds(count: int) -> float:
        began = time.process_time()
        for text in (b"[]" * count, b'"\\"[' * count, b'{"a":[{}]},' * (count // 4), b"[" * MAX_DEPTH + b"[]," * count):
            check_depth(text)
        return time.process_time() - began

    # Sixteen times as much: 256 times the time, if it grew as a square.
    assert seconds(400_000) < 100 * max(seconds(25_000), 0.005)
