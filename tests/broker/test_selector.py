"""Selectors: SQL-92's conditions as JMS 2.0 §3.8.1 defines them, over a message's headers."""

from __future__ import annotations

import time
from decimal import Decimal

import pytest

from batonmq.broker.selectors.parser import SelectorError, parse_selector
from batonmq.errors import BrokerError
from batonmq.fields import FieldValue, SignedByte
from batonmq.message import Message
from batonmq.properties import EMPTY, Properties

HEADERS: dict[str, FieldValue] = {
    "five": 5,
    "byte": SignedByte(5),
    "half": 0.5,
    "price": Decimal("9.90"),
    "yes": True,
    "no": False,
    "colour": "red",
    "quote": "it's",
    "percent": "10%_off",
    "lines": "one\ntwo",
    "digits": "17",
    "truth": "true",
    "raw": b"red",
    "a.b": 1,
    "a-b": "hyphen",
    "nothing": None,
}
MESSAGE = Message(
    "",
    "q",
    Properties.make(
        headers=HEADERS,
        priority=7,
        delivery_mode=2,
        correlation_id="c-1",
        message_id="m-1",
        timestamp=1_700_000_000,
        type="order",
    ),
    b"",
)
PLAIN = Message("", "q", EMPTY, b"")


def holds(text: str, *, converts: bool = False, hyphenated: bool = False, message: Message = MESSAGE) -> bool:
    return parse_selector(text, converts_strings=converts, hyphenated=hyphenated).matches(message)


@pytest.mark.parametrize(
    "text",
    [
        "five = 5",
        "5 = five",
        "byte = 5",
        "five <> 6",
        "five >= 5 AND five <= 5",
        "five > 4.5",
        "half = .5",
        "half < 1",
        "price = 9.90",
        "colour = 'red'",
        "colour <> 'green'",
        "quote = 'it''s'",
        "yes",
        "NOT no",
        "yes = TRUE",
        "no = false",
        "no <> yes",
        "five = 0x5",
        "five = 005",
        "five = 5L",
        "five = 5.0e0",
        "five = 50.E-1",
        "five = 5d",
        "a.b = 1",
        "\"a-b\" = 'hyphen'",
        "five + 2 * 3 = 11",
        "(five + 2) * 3 = 21",
        "five / 2 = 2.5",
        "five % 3 = 2",
        "-five = -5",
        "- -five = +5",
        "five BETWEEN 1 AND 5",
        "five NOT BETWEEN 6 AND 9",
        "colour IN ('green', 'red')",
        "colour NOT IN ('green')",
        "missing IS NULL",
        "five IS NOT NULL",
        "nothing IS NULL",
        "five = 1 OR colour = 'red'",
        "five = 1 OR five = 2 AND five = 3 OR five = 5",
        "NOT (five = 1)",
        "NOT NOT five = 5",
        "five=5 and not colour='green'",
        "(((five = 5)))",
    ],
)
def test_what_is_true_is_selected(text: str) -> None:
    assert holds(text)


@pytest.mark.parametrize(
    "text",
    [
        "five = 6",
        "five <> 5",
        "colour = 'Red'",
        "COLOUR = 'red'",
        "no",
        "NOT yes",
        "five BETWEEN 6 AND 9",
        "colour IN ('green', 'blue')",
        "five IS NULL",
        "missing IS NOT NULL",
        "yes AND no",
        "no OR no",
    ],
)
def test_what_is_false_is_not_selected(text: str) -> None:
    assert not holds(text)


@pytest.mark.parametrize(
    "text",
    [
        "missing = 1",
        "missing <> 1",
        "NOT missing = 1",
        "missing",
        "NOT missing",
        "missing LIKE '%'",
        "missing NOT LIKE '%'",
        "missing IN ('a')",
        "missing NOT IN ('a')",
        "missing BETWEEN 1 AND 2",
        "missing NOT BETWEEN 1 AND 2",
        "missing + 1 = 2",
        "NOT (missing + 1 = 2)",
        "five / 0 = 1",
        "NOT (five / 0 = 1)",
        "missing = 1 AND yes",
        "NOT (missing = 1 AND yes)",
        "missing = 1 OR no",
        "NOT (missing = 1 OR no)",
        "colour + 1 = 2",
    ],
)
def test_what_is_unknown_is_not_selected(text: str) -> None:
    """JMS 2.0 §3.8.1.2: three-valued logic; NOT of unknown is unknown."""
    assert not holds(text)


def test_unknown_does_not_spoil_what_is_decided_without_it() -> None:
    assert holds("missing = 1 OR yes")
    assert holds("NOT (missing = 1 AND no)")


@pytest.mark.parametrize(
    "text", ["five = 'x'", "five <> 'x'", "colour = 5", "colour <> 5", "yes = colour", "yes <> five", "raw = 'red'"]
)
def test_values_of_different_types_are_neither_equal_nor_different(text: str) -> None:
    assert not holds(text)


def test_text_and_conditions_have_no_order() -> None:
    assert not holds("colour < digits")
    with pytest.raises(SelectorError):
        parse_selector("colour > 'a'")


@pytest.mark.parametrize(
    ("pattern", "fits"),
    [
        ("colour LIKE 'r%'", True),
        ("colour LIKE '%d'", True),
        ("colour LIKE 'r_d'", True),
        ("colour LIKE '_'", False),
        ("colour LIKE '%'", True),
        ("colour LIKE 'red'", True),
        ("colour LIKE 're'", False),
        ("colour LIKE '%e%'", True),
        ("colour LIKE 'red%red'", False),
        ("colour NOT LIKE 'x%'", True),
        ("colour LIKE '.*'", False),
        ("lines LIKE 'one_two'", True),
        ("lines LIKE 'one%'", True),
        ("percent LIKE '10!%!_off' ESCAPE '!'", True),
        ("percent LIKE '10!_!_off' ESCAPE '!'", False),
        ("percent LIKE '10\\%%' ESCAPE '\\'", True),
        ("five LIKE '5'", False),
    ],
)
def test_like_takes_percent_and_underscore_and_an_escape(pattern: str, fits: bool) -> None:
    assert holds(pattern) is fits


def test_like_takes_no_longer_than_the_text_is_long() -> None:
    headers: dict[str, FieldValue] = {"long": "a" * 20_000}
    message = Message("", "q", Properties.make(headers=headers), b"")
    started = time.process_time()
    assert not holds("long LIKE '%a%a%a%a%a%a%a%a%a%a%b'", message=message)
    assert time.process_time() - started < 1


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("JMSPriority = 7", "JMSPriority = 4"),
        ("JMSTimestamp = 1700000000000", "JMSTimestamp IS NULL"),
        ("JMSCorrelationID = 'c-1'", "JMSCorrelationID IS NULL"),
        ("JMSMessageID = 'm-1'", "JMSMessageID IS NULL"),
        ("JMSType = 'order'", "JMSType IS NULL"),
        ("JMSDeliveryMode = 'PERSISTENT'", "JMSDeliveryMode = 'NON_PERSISTENT'"),
    ],
)
def test_jms_headers_are_the_properties_of_the_message(text: str, value: str) -> None:
    """JMS 2.0 §3.8.1.1; the second of each is what a message without properties has."""
    assert holds(text)
    assert holds(value, message=PLAIN)


@pytest.mark.parametrize(
    ("header", "expected"),
    [(1_700_000_000_123, 1_700_000_000_123), (1_700_000_001_000, 1_700_000_000_000), ("soon", 1_700_000_000_000)],
)
def test_a_header_tells_the_milliseconds_of_a_timestamp(header: FieldValue, expected: int) -> None:
    properties = Properties.make(headers={"timestamp_in_ms": header}, timestamp=1_700_000_000)
    assert holds(f"JMSTimestamp = {expected}", message=Message("", "q", properties, b""))
    alone = Message("", "q", Properties.make(headers={"timestamp_in_ms": header}), b"")
    assert holds("JMSTimestamp IS NULL", message=alone)


def test_a_timestamp_in_milliseconds_is_taken_as_such() -> None:
    message = Message("", "q", Properties.make(timestamp=1_700_000_000_123), b"")
    assert holds("JMSTimestamp = 1700000000123", message=message)


def test_text_counts_as_what_it_spells_only_when_asked() -> None:
    for text in ("digits = 17", "digits > 5", "digits BETWEEN 1 AND 20", "digits + 1 = 18", "truth", "truth = TRUE"):
        assert not holds(text)
        assert holds(text, converts=True)
        assert holds("convert_string_expressions:" + text)
    assert holds("digits = '17'", converts=True)
    assert not holds("colour > 5", converts=True)
    assert not holds("colour", converts=True)


def test_a_hyphen_is_part_of_a_name_only_when_asked() -> None:
    assert holds("a-b = 'hyphen'", hyphenated=True)
    assert holds("hyphenated_props:convert_string_expressions:a-b = 'hyphen'")
    assert holds("five - 1 = 4", hyphenated=True)
    assert holds("five-1 = 4")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   ",
        "five =",
        "= 5",
        "five = 5 five",
        "five = 5 AND",
        "(five = 5",
        "five = 5)",
        "5",
        "'text'",
        "five + 1",
        "five = 'unended",
        'five = "unended',
        "five ! 5",
        "five == 5",
        "five IN ()",
        "five IN (1)",
        "five IN 'a'",
        "five LIKE 5",
        "five LIKE 'a' ESCAPE 'ab'",
        "five LIKE 'a!' ESCAPE '!'",
        "five BETWEEN 1",
        "five BETWEEN 'a' AND 'b'",
        "five NOT = 5",
        "five IS 5",
        "TRUE + 1 = 2",
        "5 = 'a'",
        "TRUE < FALSE",
        "five = 5a",
        "five = 089",
        "NOT 5",
        "colour AND 'x'",
        "five = 1" + "0" * 500,
        "(" * 100 + "yes" + ")" * 100,
        "yes AND " * 10_000 + "yes",
    ],
)
def test_a_bad_selector_is_refused_at_once(text: str) -> None:
    with pytest.raises(SelectorError):
        parse_selector(text)


def test_the_error_says_where_and_what() -> None:
    with pytest.raises(BrokerError, match="at character 8: expected a name, a value or '\\(', found '>'"):
        parse_selector("five = > 5")


def test_a_long_chain_of_conditions_needs_no_deep_stack() -> None:
    assert holds(" OR ".join(["five = 1"] * 1_200 + ["five = 5"]))
    assert holds("NOT " * 2_000 + "yes")


def test_likes_are_counted() -> None:
    assert holds(" OR ".join(["colour LIKE 'r%'"] * 100))
    with pytest.raises(SelectorError, match="more than 100 times LIKE"):
        parse_selector(" OR ".join(["colour LIKE 'r%'"] * 101))


def test_whole_numbers_do_not_grow_without_end() -> None:
    started = time.process_time()
    assert holds("five" + " * 99999999" * 1_000 + " IS NULL OR TRUE")
    assert holds("9223372036854775807 + five = 9223372036854775812.0")
    assert time.process_time() - started < 1
