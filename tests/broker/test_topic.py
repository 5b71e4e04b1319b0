"""The topic exchange: any set of patterns against any key gives what a word-by-word comparison gives, and soon."""

from __future__ import annotations

import itertools
import random
import time

import pytest
from hypothesis import given, strategies as st
from tests.support.driven import Driven

from batonmq.broker.routing.exchanges.base import Binding, ExchangeOptions
from batonmq.broker.routing.exchanges.topic import TopicExchange

WORDS = st.lists(st.sampled_from(["#", "*", "a", "b", ""]), max_size=6).map(".".join)
KEYS = st.lists(st.sampled_from(["a", "b", "", "*", "#"]), max_size=6).map(".".join)


class Place:
    """Where a binding leads."""

    survives_restart = False

    def __init__(self, name: str) -> None:
        self.name = name


def matches(pattern: list[str], key: list[str]) -> bool:
    """§3.1.3.3, word by word."""
    if not pattern:
        return not key
    if pattern[0] == "#":
        return any(matches(pattern[1:], key[taken:]) for taken in range(len(key) + 1))
    if not key:
        return False
    # Wildcards are none in a key.
    fits = pattern[0] == "*" or pattern[0] == key[0]
    return fits and matches(pattern[1:], key[1:])


def words(text: str) -> list[str]:
    return text.split(".") if text else []


@given(st.lists(WORDS, max_size=8, unique=True), st.data())
def test_patterns_match_as_word_by_word(patterns: list[str], data: st.DataObject) -> None:
    exchange = TopicExchange(ExchangeOptions("t"))
    bindings = [Binding(exchange, Place(pattern), pattern, {}) for pattern in patterns]
    for binding in bindings:
        exchange.bind(binding)
    for binding in [binding for binding in bindings if data.draw(st.booleans())]:
        exchange.unbind(binding)
        bindings.remove(binding)
    key = data.draw(KEYS)
    found = sorted(place.name for place in exchange.match(key, {}))
    assert found == sorted(b.routing_key for b in bindings if matches(words(b.routing_key), words(key)))


@pytest.mark.parametrize("same", [("#", "#.#"), ("*.#", "#.*"), ("a.#.*.b", "a.*.#.b"), ("#.*.*.#", "*.#.*")])
def test_patterns_that_mean_the_same_are_two_bindings(same: tuple[str, str]) -> None:
    exchange = TopicExchange(ExchangeOptions("t"))
    bindings = [Binding(exchange, Place(pattern), pattern, {}) for pattern in same]
    for binding in bindings:
        exchange.bind(binding)
    assert sorted(place.name for place in exchange.match("a.a.b.b", {})) in ([], sorted(same))
    exchange.unbind(bindings[0])
    assert [place.name for place in exchange.match("a.a.b.b", {})] in ([], [same[1]])


def test_many_long_patterns_of_wildcards_take_no_time() -> None:
    """4,000 patterns of 100 words, half of them ``#``: minutes, if every way of matching is tried."""
    exchange = TopicExchange(ExchangeOptions("t"))
    chosen = random.Random(1)
    patterns = {".".join(chosen.choice(["#", "a", "*", "#"]) for _ in range(100)) for _ in range(4_000)}
    for pattern in patterns:
        exchange.bind(Binding(exchange, Place(pattern), pattern, {}))
    started = time.process_time()
    found = exchange.match(".".join("a" * 127), {})
    assert time.process_time() - started < 2
    assert len(list(found)) == len(patterns)


def test_unbinding_all_leaves_nothing() -> None:
    exchange = TopicExchange(ExchangeOptions("t"))
    patterns = [".".join(pattern) for size in range(5) for pattern in itertools.product("a*#", repeat=size)]
    bindings = [Binding(exchange, Place(pattern), pattern, {}) for pattern in patterns]
    for binding in bindings:
        exchange.bind(binding)
    for binding in bindings:
        exchange.unbind(binding)
    assert not list(exchange.match("a.a", {}))
    assert exchange._root.is_empty


@pytest.mark.parametrize("kind", ["headers", "fanout"])
def test_many_keys_are_no_more_work_where_keys_do_not_count(kind: str) -> None:
    driven = Driven()
    driven.operations.declare_exchange("x", kind)
    driven.queue()
    driven.operations.bind_queue("q", "x", "", {})
    exchange = driven.operations.vhost.router.exchanges["x"]
    asked: list[str] = []
    match = exchange.match_message if kind == "headers" else exchange.match

    def counted(*given: object) -> object:
        asked.append("")
        return match(*given)  # type: ignore[arg-type]

    setattr(exchange, "match_message" if kind == "headers" else "match", counted)
    assert len(driven.operations.vhost.router.route(exchange, ["a"] * 1_000, {})) == 1
    assert len(asked) == 1
