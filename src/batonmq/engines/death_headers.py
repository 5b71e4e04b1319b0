"""The headers of a dead letter about its death, and about its returns."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batonmq.broker.features.dead_letters import REASON, is_death_header

if TYPE_CHECKING:
    from collections.abc import Mapping

    from batonmq.fields import FieldValue
    from batonmq.properties import Properties

__all__ = ["REASON", "origin_of", "without_death_headers"]

# Artemis' header for the address that it moved the message from.
ORIGINS = ("x-opt-ORIG-",)
# One-time requests that would delay the message again, or drop it as a duplicate.
REQUESTS = (
    "x-delay",
    "x-deliver-at",
    "x-opt-delivery-",
    "AMQ_SCHEDULED_",
    "_AMQ_DUPL_ID",
    "x-deduplication-header",
)


def origin_of(headers: Mapping[str, FieldValue]) -> str | None:
    """The queue where a dead letter died last, from its headers; None: unknown."""
    deaths = headers.get("x-death")
    last = deaths[0] if isinstance(deaths, list) and deaths else None
    for queue in (last.get("queue") if isinstance(last, dict) else None, headers.get("x-last-death-queue")):
        if isinstance(queue, str) and queue:
            return str(queue)
    return None


def without_death_headers(properties: Properties) -> Properties:
    """Remove the headers of its death and its one-time requests, so that a dead letter starts over.

    Brokers that trust a client's headers would otherwise detect a cycle.
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
