"""How often a message was delivered, where its count goes along to the queue for dead letters, as in RabbitMQ.

There a dead letter comes with the deliveries of the queue that it was in before, and nothing says how many those were.
So whoever has it first takes its count for that of the other queue, and writes it into an annotation when he gives it
back. If he is lost instead, his delivery is taken for one of the other queue.
"""

from __future__ import annotations

from typing import Final

from batonmq.engines.amqp10.products.base import Count
from batonmq.engines.messages import Message
from batonmq.fields import FieldError, FieldValue
from batonmq.protocols.amqp10.codec.values import Symbol

__all__ = ["count_of", "kept_count"]

# "1 3": it has died once, and had failed three times before it came here.
_BEFORE: Final = "x-opt-batonmq-failures-elsewhere"


def count_of(message: Message, failures: int) -> Count:
    """How often it was delivered here; its header says ``failures`` (delivery-count)."""
    if not failures:
        # Also what came back from a receiver that had not seen it: RabbitMQ counts a connection that is lost.
        return Count(1, False)
    headers = _headers(message)
    deaths = _deaths(headers)
    if not deaths:
        return Count(failures + 1, True)
    before = _before(headers, deaths)
    if before is not None:
        return Count(max(1, failures - before + 1), failures > before)
    # Where the queue says its count in no annotation, a classic one, nobody can write it down later.
    return Count(1, False, is_exact="x-delivery-count" in headers)


def kept_count(message: Message) -> dict[Symbol, object]:
    """The annotations of a message that is given back, so that it is counted from here on."""
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
    """How often it became a dead letter."""
    deaths = headers.get("x-death")
    if not isinstance(deaths, list):
        return 0
    counts = [death.get("count") for death in deaths if isinstance(death, dict)]
    return sum(count for count in counts if isinstance(count, int))


def _before(headers: dict[str, FieldValue], deaths: int) -> int | None:
    """The failures elsewhere, if they were written down since it became a dead letter."""
    written = headers.get(_BEFORE)
    if not isinstance(written, str):
        return None
    died, _, failures = written.partition(" ")
    if died != str(deaths) or not (failures.isascii() and failures.isdigit() and len(failures) < 10):
        return None
    return int(failures)
