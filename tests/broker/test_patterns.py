"""Patterns of policies and permissions: what ``re`` finds, found in time that is linear in the name."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given, strategies as st

from batonmq.broker import Permission, User
from batonmq.broker.patterns.expressions import Pattern, PatternError, compile_pattern
from batonmq.broker.vhosts.policy import read_policy
from batonmq.errors import AccessRefused, PreconditionFailed

ATOMS = ["a", "b", "1", "", ".", "[ab]", "[^a]", "[a-c1]", r"\w", r"\D", r"\s", r"\-", "(?i:A)"]
PLACES = ["^", "$", r"\b", r"\A", r"\Z"]
REPEATS = ["*", "+", "?", "{2}", "{1,3}", "{0,2}", "*?", "{2,}"]

EXPRESSIONS = st.recursive(
    st.sampled_from(ATOMS + PLACES),
    lambda inner: st.one_of(
        st.tuples(inner, inner).map("".join),
        st.tuples(inner, inner).map("(%s|%s)".__mod__),
        st.tuples(inner, st.sampled_from(REPEATS)).map("(?:%s)%s".__mod__),
        st.tuples(st.sampled_from(["(?=", "(?!"]), inner).map("%s%s)".__mod__),
    ),
    max_leaves=8,
)


@given(EXPRESSIONS, st.lists(st.text("ab1A-\n ", min_size=1, max_size=8), max_size=5))
def test_it_finds_what_re_finds(source: str, texts: list[str]) -> None:
    pattern = Pattern(source)
    for text in texts:
        # \Z is PCRE's: also before a line end that ends the text.
        expected = re.search(source.replace(r"\Z", "$"), text)
        assert pattern.found_in(text) is (expected is not None), text


@pytest.mark.parametrize(
    ("source", "found", "not_found"),
    [
        (r"^(?!amq\.).*", "orders", "amq.direct"),
        (r"^(?!amq\.|test)", "orders", "test.orders"),
        (r"^.*(?<!\.dead)$", "orders", "orders.dead"),
        (r"(?<=\.)dead$", "orders.dead", "dead"),
        (r"^(?=.*eu)(?=.*prod)", "prod-eu-1", "prod-us-1"),
        (r"^(?!.*(?=dead).*$)", "orders", "orders.dead"),
        (r"^orders\.(eu|us)$", "orders.us", "orders.usa"),
        (r"^[[:alpha:]]+$", "abc", "abc1"),
        (r"^[^[:digit:]-]+$", "abc", "a-c"),
        (r"^[]\-x]+$", "]-x", "a"),
        (r"\Qa.b\E$", "a.b", "axb"),
        (r"(?i)^ORDERS", "orders", "bills"),
        (r"a(?i)B$", "ab", "Ab"),
        (r"(?x) ^ a   b # a comment", "ab", "a b"),
        (r"(?#comment)^a", "a", "b"),
        (r"^\x41\x{42}\103$", "ABC", "ABc"),
        (r"^(?P<region>eu)-(?<number>\d+)\z", "eu-12", "eu-"),
        (r"a{", "a{", "a"),
        (r"^a{,2}$", "aa", "aaa"),
        (r"^é+$", "éé", "ee"),
        (r"", "", None),
        (r"^$", "", "a"),
        (r"\Bb", "ab", "b"),
        (r"(?m)^b$", "a\nb", "ab"),
        (r"(?s)a.b", "a\nb", "ab"),
    ],
)
def test_what_people_write(source: str, found: str, not_found: str | None) -> None:
    pattern = Pattern(source)
    assert pattern.found_in(found)
    assert not_found is None or not pattern.found_in(not_found)


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("(", "')' is missing at position 1"),
        ("a)", "a ')' that closes nothing"),
        ("[a", "it ends too early"),
        ("*a", "nothing to repeat at position 0"),
        ("a**", "a repeat of a repeat"),
        ("a{3,2}", "at most is less than at least"),
        ("[b-a]", "a range that has no end, or goes backwards"),
        (r"(a)\1", "backreferences cannot be matched in bounded time at position 5"),
        ("(?P<n>a)(?P=n)", "backreferences cannot"),
        ("(?>a)", "atomic groups cannot be matched in bounded time"),
        ("a++", "possessive repeats cannot be matched in bounded time"),
        ("(a)?(?(1)b|c)", "conditions cannot be matched in bounded time"),
        ("(?P<1>a)", "the name of a group is no name"),
        ("(?R)", "a group of an unknown kind"),
        (r"\y", r"\y is not known"),
        (r"\x{110000}", "is no code of a character"),
        ("\\", "it ends too early"),
        ("[[:nope:]]", "[:nope:] is not known"),
        ("a{1001}", "more than 1000 repeats"),
        ("((a{100}){100})", "more than 4000 parts"),
        ("((((){1000}){1000}){1000})", "more than 4000 parts"),
        ("(" * 60 + ")" * 60, "nested deeper than 50"),
        ("a" * 9_000, "more than 8192"),
    ],
)
def test_what_is_none_is_refused_with_the_reason(source: str, reason: str) -> None:
    with pytest.raises(PatternError, match=re.escape(reason)):
        Pattern(source)


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("^(a+)+$", "a" * 254 + "!"),
        ("^(a|aa)+$", "a" * 254 + "!"),
        ("(a*)*b", "a" * 255),
        ("a?" * 500 + "b", "a" * 255),
        ("^(?=(a+)+$)(?!(a|a)*b)", "a" * 254 + "!"),
        ("(?<=(a*)*b)c", "a" * 255),
    ],
)
def test_no_pattern_runs_away(source: str, name: str) -> None:
    started = time.process_time()
    assert not Pattern(source).found_in(name)
    assert time.process_time() - started < 2


def test_what_is_remembered_is_bounded() -> None:
    pattern = Pattern("(a|b)*a(a|b){200}$")
    most = 0
    for number in range(60):
        name = f"{number:b}".translate({48: "a", 49: "b"}) * 255
        pattern.found_in(name[:255])
        most = max(most, pattern._automaton._remembered)
    assert 40_000 < most <= 60_000


def test_policies_and_permissions_go_by_it() -> None:
    with pytest.raises(PreconditionFailed, match="no regular expression: backreferences cannot be matched"):
        read_policy("p", r"(a)\1", {"max-length": 1})
    assert compile_pattern("^a") is compile_pattern("^a")
    user = User("u", permissions={"/": Permission(write=r"^(?!amq\.).*")})
    user.require("/", "write", "queue", "orders")
    with pytest.raises(AccessRefused):
        user.require("/", "write", "queue", "amq.topic")
