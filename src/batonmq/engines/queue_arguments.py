"""The options of ``declare`` and their arguments in AMQP 0-9-1's queue.declare, in one table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from batonmq.fields import FieldValue

__all__ = ["ARGUMENTS", "Argument"]


def _same(value: FieldValue) -> FieldValue:
    return value


def _milliseconds(seconds: FieldValue) -> FieldValue:
    assert isinstance(seconds, int | float)
    return round(seconds * 1000)


def _at_least_one_millisecond(seconds: FieldValue) -> FieldValue:
    milliseconds = _milliseconds(seconds)
    assert isinstance(milliseconds, int)
    return max(1, milliseconds)


def _returns(deliveries: FieldValue) -> FieldValue:
    """The argument counts returns: with five deliveries allowed, a message may come back four times."""
    assert isinstance(deliveries, int)
    return deliveries - 1


def _of_overflow(overflow: FieldValue) -> FieldValue:
    return "reject-publish" if overflow == "refuse" else None


def _if_set(value: FieldValue) -> FieldValue:
    return value or None


def _seconds(milliseconds: int) -> float:
    return milliseconds / 1000


def _deliveries(returns: int) -> int:
    return returns + 1


@dataclass(frozen=True, slots=True)
class Argument:
    """The argument for an option of ``declare``."""

    option: str
    """The name of the option."""
    name: str
    """RabbitMQ's name of the argument."""
    of_option: Callable[[FieldValue], FieldValue] = _same
    """Converts a value of the option, never None, to that of the argument; None: leave the argument out."""
    to_option: Callable[[int], int | float] = int
    """Converts a number in the argument to the option's value."""


ARGUMENTS = (
    Argument("max_deliveries", "x-delivery-limit", _returns, _deliveries),
    Argument("dead_letter", "x-dead-letter-exchange", lambda _: ""),
    Argument("dead_letter", "x-dead-letter-routing-key"),
    Argument("ttl", "x-message-ttl", _milliseconds, _seconds),
    Argument("max_length", "x-max-length"),
    Argument("max_bytes", "x-max-length-bytes"),
    Argument("overflow", "x-overflow", _of_overflow),
    Argument("max_priority", "x-max-priority", _if_set),
    Argument("expires", "x-expires", _at_least_one_millisecond, _seconds),
    Argument("single_consumer", "x-single-active-consumer", _if_set),
    # RabbitMQ 4.3's own arguments, which every engine treats in the same way.
    Argument("retry_delay", "x-delayed-retry-type", lambda _: "failed"),
    Argument("retry_delay", "x-delayed-retry-min", _milliseconds, _seconds),
    Argument("retry_delay_max", "x-delayed-retry-max", _milliseconds, _seconds),
    Argument("deduplication", "x-deduplication-window", _at_least_one_millisecond, _seconds),
)
