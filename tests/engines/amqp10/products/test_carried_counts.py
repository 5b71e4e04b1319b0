"""Deliveries of a message whose count goes along to the queue for dead letters."""

from __future__ import annotations

import pytest

import batonmq
from batonmq.engines.amqp10.products.base import Count
from batonmq.engines.amqp10.products.carried_counts import count_of, kept_count
from batonmq.engines.messages import HeaderValue

NOTE = "x-opt-batonmq-failures-elsewhere"


def dead(failures: int, deaths: int = 1, note: HeaderValue = None) -> batonmq.Message:
    """A dead letter in a queue that says its count."""
    said: dict[str, HeaderValue] = {"x-death": [{"count": deaths, "queue": "q"}], "x-delivery-count": failures}
    return batonmq.Message(b"", headers=said if note is None else said | {NOTE: note})


def test_what_never_died_is_counted_by_its_header() -> None:
    message = batonmq.Message(b"")
    assert count_of(message, 0) == Count(1, False)
    assert count_of(message, 2) == Count(3, True)
    assert kept_count(message) == {}


def test_a_dead_letter_is_counted_from_where_it_came_and_each_further_failure_is_one_here() -> None:
    first = dead(3)
    assert count_of(first, 3) == Count(1, False)
    (note,) = kept_count(first).values()
    again = dead(4, note=str(note))
    assert count_of(again, 4) == Count(2, True)
    assert kept_count(again) == {}
    assert count_of(dead(7, note=str(note)), 7) == Count(5, True)


def test_who_dies_again_is_counted_anew() -> None:
    twice = dead(5, deaths=2, note="1 3")
    assert count_of(twice, 5) == Count(1, False)
    assert list(kept_count(twice).values()) == ["2 5"]


def test_where_the_queue_does_not_say_its_count_it_is_a_guess() -> None:
    classic = batonmq.Message(b"", headers={"x-death": [{"count": 1}]})
    assert count_of(classic, 3) == Count(1, False, is_exact=False)
    assert kept_count(classic) == {}


@pytest.mark.parametrize("note", ["", "1", "1 x", "1 -3", "one 3", 7, "1 ²"])
def test_a_note_that_is_none_is_not_heeded(note: HeaderValue) -> None:
    assert count_of(dead(3, note=note), 3) == Count(1, False)
