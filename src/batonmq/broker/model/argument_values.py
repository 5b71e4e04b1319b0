"""Checks for the values of arguments.

Each returns the value as a plain Python value, or raises ValueError with RabbitMQ's text.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import Decimal
from typing import TYPE_CHECKING

from batonmq.broker.model.settings import TIME_MAX
from batonmq.broker.selectors.parser import SelectorError, parse_selector
from batonmq.field_encoding import encode_name, type_name
from batonmq.fields import NAME_MAX

if TYPE_CHECKING:
    from batonmq.fields import FieldValue


def _unacceptable(value: FieldValue) -> ValueError:
    return ValueError(f"{{unacceptable_type,{type_name(value)}}}")


def integer(value: FieldValue) -> int:
    """An integer of any width and sign."""
    if isinstance(value, bool) or not isinstance(value, int) or type_name(value) == "timestamp":
        raise ValueError(f'"expected integer, got {type_name(value)}"')
    return int(value)


def not_negative(value: FieldValue) -> int:
    """An integer, at least 0."""
    number = integer(value)
    if number < 0:
        raise ValueError(f"{{value_negative,{number}}}")
    return number


def duration(value: FieldValue) -> int:
    """A time in milliseconds: 0 to 100 years."""
    number = not_negative(value)
    if number > TIME_MAX:
        raise ValueError(f"{{value_too_large,{number}}}")
    return number


def lifetime(value: FieldValue) -> int:
    """A time in milliseconds: 1 to 100 years."""
    number = duration(value)
    if number == 0:
        raise ValueError(f"{{value_zero,{number}}}")
    return number


def count(value: FieldValue) -> int:
    """An integer, at least 1."""
    number = not_negative(value)
    if number == 0:
        raise ValueError(f"{{value_zero,{number}}}")
    return number


def multiplier(value: FieldValue) -> float:
    """A number, at least 1 and finite."""
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal) or type_name(value) == "timestamp":
        raise ValueError(f'"expected number, got {type_name(value)}"')
    number = float(value)
    if not 1 <= number < math.inf:
        raise ValueError(f"{{not_a_multiplier,{number}}}")
    return number


def priority(value: FieldValue) -> int:
    """A priority: 0 to 255."""
    number = not_negative(value)
    if number > 255:
        raise ValueError(f"{{max_value_exceeded,{number}}}")
    return number


def queue_version(value: FieldValue) -> int:
    """The version of a classic queue: 1 or 2."""
    number = not_negative(value)
    if number not in (1, 2):
        raise ValueError(f"\"unsupported queue version '{number}'\"")
    return number


def string(value: FieldValue) -> str:
    """A text."""
    if not isinstance(value, str):
        raise _unacceptable(value)
    return str(value)


def selector(value: FieldValue) -> str:
    """A selector, whose text is kept."""
    text = string(value)
    try:
        parse_selector(text)
    except SelectorError as error:
        raise ValueError(f'"{error}"') from None
    return text


def routing_key(value: FieldValue) -> str:
    """A routing key: a text of 255 octets at most, since a longer one could never be sent."""
    text = string(value)
    octets = len(encode_name(text))
    if octets > NAME_MAX:
        raise ValueError(f'"a routing key has at most {NAME_MAX} octets, not {octets}"')
    return text


def flag(value: FieldValue) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        raise _unacceptable(value)
    return value


def one_of(choices: tuple[str, ...], error: str) -> Callable[[FieldValue], str]:
    """A check for one of these texts. ``error`` is what ValueError says otherwise; "{}" in it stands for the value."""

    def check(value: FieldValue) -> str:
        if string(value) not in choices:
            raise ValueError(error.format(value))
        return str(value)

    return check
