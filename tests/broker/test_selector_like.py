"""LIKE: any pattern against any text gives what a regular expression gives, and soon."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given, strategies as st

from batonmq.broker.selectors import like
from batonmq.broker.selectors.like import Like

LONG = 120_000


def as_expression(pattern: str) -> str:
    return "".join({"_": ".", "%": ".*"}.get(character) or re.escape(character) for character in pattern)


@pytest.mark.parametrize("few", [like.FEW, 0])
@given(st.text("ab_%_é☃", max_size=8), st.one_of(st.text("ab", max_size=12), st.text("abé☃", max_size=12)))
def test_it_fits_what_an_expression_fits(few: int, pattern: str, text: str) -> None:
    before, like.FEW = like.FEW, few
    try:
        fits = Like(pattern, "").fits(text)
    finally:
        like.FEW = before
    assert fits is (re.fullmatch(as_expression(pattern), text, re.DOTALL) is not None)


@pytest.mark.parametrize(
    "pattern",
    [
        "%" + "_" * 16_000 + "b",
        "%" + "_" * 16_000 + "b%",
        "%" + "a_" * 8_000 + "b%",
        "%" + "a_a%" * 4_000 + "b%",
        "%" + "a" * 25 + "b" + "a" * 25 + "%",
        "%a" * 8_000 + "%b",
    ],
)
def test_no_pattern_takes_long(pattern: str) -> None:
    like = Like(pattern, "")
    started = time.process_time()
    assert not like.fits("a" * LONG)
    assert time.process_time() - started < 2


def test_not_even_with_thousands_of_different_characters() -> None:
    alphabet = "".join(chr(0x4000 + number) for number in range(4_000))
    like = Like("%" + "".join(c if i % 2 else "_" for i, c in enumerate(alphabet * 4)) + "x%", "")
    started = time.process_time()
    assert not like.fits(alphabet * 10)
    assert time.process_time() - started < 2
