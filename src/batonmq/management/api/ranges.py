"""The samples that a request asks for: ``lengths_age=600&lengths_incr=60`` is one for each minute of the last ten."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from batonmq.management.http.errors import BadRequest
from batonmq.management.statistics.shown import Range

if TYPE_CHECKING:
    from batonmq.management.http.query import Query

__all__ = ["NOTHING", "RANGES_QUERY", "Ranges", "ranges"]

# RabbitMQ's limit.
SAMPLES_MAX: Final = 500
SECONDS_MAX: Final = 10**10

RANGES_QUERY: Final = {
    f"{group}_{end}": text
    for group, what in (
        ("lengths", "the numbers of messages in queues"),
        ("msg_rates", "message rates"),
        ("data_rates", "octets of connections"),
        ("node_stats", "what the node uses"),
    )
    for end, text in (
        ("age", f"How many seconds back, with samples of {what}."),
        ("incr", "Seconds between two samples."),
    )
}
"""The parameters, and what they mean."""


@dataclass(frozen=True, slots=True)
class Ranges:
    """The samples that a request asks for; None: it asks for none of these."""

    lengths: Range | None = None
    messages: Range | None = None
    data: Range | None = None
    node: Range | None = None


NOTHING: Final = Ranges()


def ranges(query: Query) -> Ranges:
    """The ranges of a request; one without two numbers counts as absent. Raises BadRequest for over 500 samples."""
    return Ranges(
        _range(query, "lengths"), _range(query, "msg_rates"), _range(query, "data_rates"), _range(query, "node_stats")
    )


def _range(query: Query, group: str) -> Range | None:
    age, step = _number(query.text(f"{group}_age")), _number(query.text(f"{group}_incr"))
    if age is None or step is None:
        return None
    if step == 0 or age // step > SAMPLES_MAX:
        raise BadRequest(f"Invalid range parameters: age {age}, incr {step}")
    return Range(age, step)


def _number(text: str | None) -> int | None:
    if text is None or not text.isascii() or not text.isdigit() or len(text) > 11:
        return None
    number = int(text)
    return number if number <= SECONDS_MAX else None
