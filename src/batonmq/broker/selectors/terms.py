"""The nodes of a selector, each of which yields a value for a message. None is "unknown", or an absent header."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING

from batonmq.broker.selectors.like import Like
from batonmq.properties import AMQP10_TYPE, SUBJECT

if TYPE_CHECKING:
    from batonmq.fields import FieldValue
    from batonmq.message import Message
    from batonmq.properties import Properties

# The kinds of nodes, as error messages call them. ANY is a header, whose type is known only in a message.
ANY = "a header"
BOOLEAN = "a condition"
NUMERIC = "a number"
STRING = "text"

COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    "=": operator.eq,
    "<>": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}

# A JMS priority that was not set (JMS 2.0 §3.4.10).
DEFAULT_PRIORITY = 4
# Timestamps below count seconds, as AMQP's do; those above milliseconds, as JMS' and STOMP's do. As seconds it is the
# year 5138, as milliseconds 1973.
SECONDS_BELOW = 100_000_000_000
# RabbitMQ's header for the milliseconds.
EXACT_TIME = "timestamp_in_ms"

# Whole numbers of Java's widest type.
LONG_MAX = 2**63

_NOTHING: dict[str, FieldValue] = {}


class View:
    """One message while a selector looks at it: its headers are decoded once, and only if they are asked for."""

    __slots__ = ("_headers", "properties")

    def __init__(self, message: Message) -> None:
        self.properties = message.properties
        self._headers: Mapping[str, FieldValue] | None = None

    def header(self, name: str) -> FieldValue:
        """A header's value; None when there is none."""
        headers = self._headers
        if headers is None:
            headers = self._headers = self.properties.headers or _NOTHING
        return headers.get(name)


class Node:
    """Something that has a value for each message."""

    __slots__ = ("kind", "value")

    def __init__(self, kind: str, value: Callable[[View], FieldValue]) -> None:
        self.kind = kind
        self.value = value


# ------------------------------------------------------------------ values


def _timestamp(view: View) -> int | None:
    """Milliseconds, exact where a header tells them besides the property, which has seconds."""
    stamp = view.properties.timestamp
    if stamp is None or abs(stamp) >= SECONDS_BELOW:
        return stamp
    exact = view.header(EXACT_TIME)
    return exact if isinstance(exact, int) and exact // 1000 == stamp else stamp * 1000


def _priority(properties: Properties) -> int:
    return properties.priority if properties.flags & 1 << 11 else DEFAULT_PRIORITY


def _type(properties: Properties) -> str | None:
    kind = properties.type
    if kind == AMQP10_TYPE:
        # That is what the body is; a header has what the sender said.
        said = (properties.headers or {}).get(SUBJECT)
        return said if isinstance(said, str) else kind
    return kind


JMS_HEADERS: dict[str, Callable[[Properties], int | str | None]] = {
    "JMSCorrelationID": lambda properties: properties.correlation_id,
    "JMSDeliveryMode": lambda properties: "PERSISTENT" if properties.persistent else "NON_PERSISTENT",
    "JMSMessageID": lambda properties: properties.message_id,
    "JMSPriority": _priority,
    "JMSType": _type,
}


def literal(value: float | str) -> Node:
    """A constant."""
    kind = BOOLEAN if isinstance(value, bool) else STRING if isinstance(value, str) else NUMERIC
    return Node(kind, lambda _: value)


def identifier(name: str) -> Node:
    """A header of the message, or one of the JMS headers."""
    if name == "JMSTimestamp":
        return Node(ANY, _timestamp)
    known = JMS_HEADERS.get(name)
    if known is not None:
        return Node(ANY, lambda view: known(view.properties))
    return Node(ANY, lambda view: view.header(name))


def _number(value: FieldValue, converts: bool) -> int | float | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return value
    if isinstance(value, Decimal):
        return float(value)
    if converts and isinstance(value, str):
        return _spelled(value)
    return None


def _spelled(text: str) -> int | float | None:
    """The number that a text spells."""
    if len(text) > 400:
        return None
    try:
        return int(text)
    except ValueError:
        pass
    try:
        number = float(text)
    except ValueError:
        return None
    return None if math.isnan(number) else number


OPERATIONS: dict[str, Callable[[float, float], float]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "%": math.fmod,
}


def arithmetic(first: Node, others: list[tuple[str, Node]], *, converts: bool) -> Node:
    """first symbol other symbol other ...; unknown where one is no number, or a result is none.

    A long chain is one node: a stack of nodes would have an end.
    """
    steps = [(OPERATIONS[symbol], node.value) for symbol, node in others]

    def value(view: View) -> FieldValue:
        result: float | None = _number(first.value(view), converts)
        for operation, operand in steps:
            number = _number(operand(view), converts)
            if result is None or number is None:
                return None
            try:
                result = operation(result, number)
                if type(result) is int and not -LONG_MAX <= result <= LONG_MAX:
                    # JMS has no whole numbers beyond 64 bits, and a product of many would grow without end.
                    result = float(result)
            except (ArithmeticError, ValueError):
                return None
        return result

    return Node(NUMERIC, value)


def negative(node: Node, *, converts: bool) -> Node:
    """-node."""

    def value(view: View) -> FieldValue:
        number = _number(node.value(view), converts)
        return None if number is None else -number

    return Node(NUMERIC, value)


# ------------------------------------------------------------------ conditions


def _boolean(value: FieldValue, converts: bool) -> bool | None:
    if isinstance(value, bool):
        return value
    if converts and isinstance(value, str) and value.lower() in ("true", "false"):
        return value.lower() == "true"
    return None


def truth(node: Node, *, converts: bool) -> Node:
    """A header that stands for a condition: unknown where it is absent, false where it is not a boolean."""

    def value(view: View) -> FieldValue:
        found = node.value(view)
        return None if found is None else _boolean(found, converts) or False

    return Node(BOOLEAN, value)


def both(nodes: list[Node]) -> Node:
    """AND of them all: false if one is, else unknown if one is."""
    values = [node.value for node in nodes]

    def value(view: View) -> FieldValue:
        result: FieldValue = True
        for each in values:
            found = each(view)
            if found is False:
                return False
            if found is None:
                result = None
        return result

    return Node(BOOLEAN, value)


def either(nodes: list[Node]) -> Node:
    """OR of them all: true if one is, else unknown if one is."""
    values = [node.value for node in nodes]

    def value(view: View) -> FieldValue:
        result: FieldValue = False
        for each in values:
            found = each(view)
            if found is True:
                return True
            if found is None:
                result = None
        return result

    return Node(BOOLEAN, value)


def negated(node: Node) -> Node:
    """NOT node; what is unknown stays so."""

    def value(view: View) -> FieldValue:
        found = node.value(view)
        return None if found is None else not found

    return Node(BOOLEAN, value)


def is_null(node: Node) -> Node:
    """Is the header absent?"""
    return Node(BOOLEAN, lambda view: node.value(view) is None)


def comparison(symbol: str, left: Node, right: Node, *, converts: bool) -> Node:
    """left symbol right: unknown where either is absent, false where their types differ (JMS 2.0 §3.8.1.2)."""
    compare = COMPARISONS[symbol]

    def value(view: View) -> FieldValue:
        a, b = left.value(view), right.value(view)
        if a is None or b is None:
            return None
        if isinstance(a, str) and isinstance(b, str):
            if symbol == "=":
                return a == b
            if symbol == "<>":
                return a != b
        elif isinstance(a, bool) or isinstance(b, bool):
            p, q = _boolean(a, converts), _boolean(b, converts)
            return p is not None and q is not None and compare(p, q)
        x, y = _number(a, converts), _number(b, converts)
        return x is not None and y is not None and compare(x, y)

    return Node(BOOLEAN, value)


def between(node: Node, low: Node, high: Node, *, converts: bool) -> Node:
    """low <= node AND node <= high."""
    return both(
        [comparison(">=", node, low, converts=converts), comparison("<=", node, high, converts=converts)],
    )


def one_of(node: Node, texts: list[str]) -> Node:
    """IN: unknown where the header is absent, false where it is not a text."""
    wanted = frozenset(texts)

    def value(view: View) -> FieldValue:
        found = node.value(view)
        return None if found is None else isinstance(found, str) and found in wanted

    return Node(BOOLEAN, value)


def like(node: Node, pattern: str, escape: str) -> Node:
    """LIKE: ``_`` is any character, ``%`` any text; what follows the escape character stands for itself."""
    fits = Like(pattern, escape).fits

    def value(view: View) -> FieldValue:
        found = node.value(view)
        return None if found is None else isinstance(found, str) and fits(found)

    return Node(BOOLEAN, value)
