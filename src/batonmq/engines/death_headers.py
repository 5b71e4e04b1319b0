"""What a dead letter carries along about its death, and how often it came back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batonmq.broker.features.dead_letters import is_death_header

if TYPE_CHECKING:
    from batonmq.fields import FieldValue
    from batonmq.properties import Properties

__all__ = ["without_death_headers"]

# Where Artemis moved it from.
ORIGINS = ("x-opt-ORIG-",)
# What was asked for once, and would hold the message back, or drop it as a duplicate, if it were asked for again.
REQUESTS = (
    "x-delay",
    "x-deliver-at",
    "x-opt-delivery-",
    "AMQ_SCHEDULED_",
    "_AMQ_DUPL_ID",
    "x-deduplication-header",
)


def without_death_headers(properties: Properties) -> Properties:
    """A dead letter starts anew. On brokers that go by what clients write, its record would make it one that goes round
    in a circle.
    """
    headers = properties.headers
    if headers is None:
        return properties
    kept: dict[str, FieldValue] = {
        name: value
        for name, value in headers.items()
        if not is_death_header(name) and not name.startswith((*ORIGINS, *REQUESTS))
    }
    return properties if len(kept) == len(headers) else properties.replace(headers=kept or None)
