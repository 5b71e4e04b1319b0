"""Kafka's headers in a dead letter of a share group, converted to the death headers of other brokers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from batonmq.fields import FieldValue

__all__ = ["deaths_of"]

TOPIC: Final = "__dlq.errors.topic"
COUNT: Final = "__dlq.errors.delivery.count"
MESSAGE: Final = "__dlq.errors.message"
# "Offset rejected by client."; otherwise it was handed out too often.
REJECTED: Final = "rejected"


def deaths_of(headers: Mapping[str, FieldValue]) -> dict[str, FieldValue]:
    """The death headers of a dead letter; empty for any other message. Kafka's own stay beside them."""
    topic = headers.get(TOPIC)
    if not isinstance(topic, str):
        return {}
    said = headers.get(MESSAGE)
    reason = REJECTED if isinstance(said, str) and REJECTED in said else "delivery_limit"
    found: dict[str, FieldValue] = {
        "x-first-death-queue": topic,
        "x-first-death-reason": reason,
        "x-last-death-queue": topic,
        "x-last-death-reason": reason,
        "x-death": [{"queue": topic, "reason": reason, "count": 1}],
    }
    count = headers.get(COUNT)
    if isinstance(count, str) and count.isascii() and count.isdigit() and len(count) < 10:
        found["x-delivery-count"] = int(count)
    return found
