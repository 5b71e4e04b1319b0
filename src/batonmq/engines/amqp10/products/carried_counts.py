"""Delivery counts for brokers whose dead letters keep the count of their former queue, as in RabbitMQ.

Nothing tells how many of the deliveries belong to the former queue. So the first receiver takes the count for that of
the former queue, and writes it to an annotation when it gives the message back. If that receiver is lost, its delivery
is counted for the former queue.
"""

from __future__ import annotations

from typing import Final

from batonmq.engines.amqp10.products.base import Count
from batonmq.engines.messages import Message
from batonmq.fields import FieldError, FieldValue
from batonmq.protocols.amqp10.codec.values import Symbol

__all__ = ["count_of", "kept_count"]

# "1 3": the message has died once, and had failed three times before it came here.
_BEFORE: Final = "x-opt-batonmq-failures-elsewhere"


def count_of(message: Message, failures: int) -> Count:
    """How often the message was delivered here; its header has ``failures`` (delivery-count)."""
    if not failures:
        # Includes returns from receivers that had not seen it: RabbitMQ counts a lost connection.
        return Count(1, False)
    headers = _headers(message)
    deaths = _deaths(headers)
    if not deaths:
        return Count(failures + 1, True)
    before = _before(headers, deaths)
    if before is not None:
        return Count(max(1, failures - before + 1), failures > before)
    # A classic queue has no annotation with a count, so it cannot be recorded later.
    return Count(1, False, is_exact="x-delivery-count" in headers)


def kept_count(message: Message) -> dict[Symbol, object]:
    """The annotations for a message that is given back, so that counting starts here."""
    headers = _headers(message)
    deaths = _deaths(headers)
    failures = headers.get("x-delivery-count")
    if not deaths or not isinstance(failures, int) or _before(headers, deaths) is not None:
        return {}
    return {Symbol(_BEFORE): f"{deaths} {failures}"}


def _headers(message: Message) -> dict[str, FieldValue]:
    try:
        return message.headers
    except FieldError:
        return {}


def _deaths(headers: dict[str, FieldValue]) -> int:
    """How often the message became a dead letter."""
    deaths = headers.get("x-death")
    if not isinstance(deaths, list):
        return 0
    counts = [death.get("count") for death in deaths if isinstance(death, dict)]
    return sum(count for count in counts if isinstance(count, int))


def _before(headers: dict[str, FieldValue], deaths: int) -> int | None:
    """The failures elsewhere, if recorded since it became a dead letter."""
    written = headers.get(_BEFORE)
    if not isinstance(written, str):
        return None
    died, _, failures = written.partition(" ")
    if died != str(deaths) or not (failures.isascii() and failures.isdigit() and len(failures) < 10):
        return None
    return int(failures)
