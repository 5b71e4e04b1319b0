"""What clients write to be matched cannot run away: twice the input costs no more than some three times the steps.

Steps are lines of Python that are run: no busy machine spoils the count. What backtracks, or is quadratic, shows
as four times and more.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable
from types import FrameType
from typing import TYPE_CHECKING

import pytest

from batonmq.broker.features.cron import CronError, parse_cron
from batonmq.broker.patterns.expressions import compile_pattern
from batonmq.broker.routing.exchanges.base import Binding, ExchangeOptions
from batonmq.broker.routing.exchanges.topic import TopicExchange
from batonmq.broker.selectors.like import Like
from batonmq.broker.selectors.parser import parse_selector
from batonmq.message import Message
from batonmq.properties import EMPTY

if TYPE_CHECKING:
    from _typeshed import TraceFunction

LINEAR = 3.0
# What there is to set up whatever the input; a case must have more steps than that to be judged by its growth.
FEW = 2_000


def steps(run: Callable[[], object]) -> int:
    """How many lines of Python it takes."""
    count = 0

    def line(_: FrameType, event: str, __: object) -> TraceFunction:
        nonlocal count
        count += event == "line"
        return line

    before = sys.gettrace()
    sys.settrace(line)
    try:
        run()
    finally:
        sys.settrace(before)
    return count


class Place:
    """Where a binding leads."""

    survives_restart = False
    name = "q"


def topic(pattern: str, key: str) -> Callable[[], object]:
    """One binding, one key."""
    exchange = TopicExchange(ExchangeOptions("t"))
    exchange.bind(Binding(exchange, Place(), pattern, {}))
    return lambda: exchange.match(key, {})


def expression(source: str, name: str) -> Callable[[], object]:
    """A permission or policy, and the name that it is searched in; not matched before."""
    return lambda: compile_pattern.__wrapped__(source).found_in(name)


def cron(text: str) -> Callable[[], object]:
    """When it comes next."""

    def run() -> None:
        with contextlib.suppress(CronError):
            parse_cron.__wrapped__(text).after(1_700_000_000_000)

    return run


def fits(pattern: str, text: str) -> Callable[[], object]:
    """LIKE."""
    return lambda: Like(pattern, "").fits(text)


CASES: dict[str, Callable[[int], Callable[[], object]]] = {
    # Expressions of permissions and policies, over longer and longer names.
    "repeats in repeats": lambda n: expression("^(a+)+$", "a" * n + "!"),
    "two ways for each character": lambda n: expression("^(a|a)*b", "a" * n),
    "one or two at a time": lambda n: expression("^(a|aa)+$", "a" * n + "!"),
    "anything, again and again": lambda n: expression("(.*.*.*.*.*)*x", "a" * n),
    "looking ahead in looking ahead": lambda n: expression("(?=.*(?=.*(?=.*b)))a", "a" * n),
    "a set of states for each name": lambda n: expression("[ab]*a[ab]{60}c", "abbab" * (n // 5)),
    # The expression itself grows.
    "optional ones, then as many": lambda n: expression(f"(a?){{{n}}}b", "a" * 50),
    "alternatives": lambda n: expression("|".join(f"x{k}" for k in range(n)), "a" * 50),
    # LIKE.
    "any character, thousands of times": lambda n: fits("%" + "_" * n + "b", "a" * 50_000),
    "a long text for many places": lambda n: fits("%" + "a_" * 500 + "b", "a" * 10 * n),
    "many pieces": lambda n: fits("%ab" * n, "ab" * 2_000),
    # Topics.
    "any number of words, over and over": lambda n: topic(".".join(["#", "a"] * 30), ".".join("a" * n)),
    "a longer pattern": lambda n: topic(".".join(["#", "*"] * n), ".".join("a" * 120)),
    # Selectors.
    "alternatives of a selector": lambda n: lambda: parse_selector(" OR ".join(["a = 1"] * n)),
    "a sum": lambda n: lambda: parse_selector("+".join("1" * n) + " > 0"),
    "negations": lambda n: lambda: parse_selector("NOT " * n + "TRUE"),
    "minus": lambda n: lambda: parse_selector("- " * n + "1 > 0"),
}


@pytest.mark.parametrize("case", CASES)
def test_twice_the_input_is_no_more_than_some_three_times_the_steps(case: str) -> None:
    made = CASES[case]
    once, twice = steps(made(100)), steps(made(200))
    assert twice <= max(LINEAR * once, FEW), f"{once} steps, then {twice}"
    assert twice < 2_000_000


@pytest.mark.parametrize(
    "text",
    [
        "NOT " * 4_090 + "TRUE",
        "- " * 8_180 + "1 > 0",
        "+".join("1" * 8_180) + " > 0",
        "*".join(["99999999"] * 1_800) + " > 0",
    ],
    ids=["negations", "minus", "sum", "product"],
)
def test_the_longest_selectors_are_matched(text: str) -> None:
    selector = parse_selector(text)
    assert steps(lambda: selector.matches(Message("", "q", EMPTY, b""))) < 300_000


@pytest.mark.parametrize("text", ["0 0 30 2 *", "0 0 31 2,4,6,9,11 *", "0 0 29 2 1", "59 23 29 2 *"])
def test_a_time_that_hardly_ever_comes_is_soon_found_or_refused(text: str) -> None:
    assert steps(cron(text)) < 20_000
