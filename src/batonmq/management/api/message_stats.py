"""The counters of a channel by RabbitMQ's names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

__all__ = ["message_stats"]

PUBLISHES: Final = ("publish", "confirm", "return_unroutable", "drop_unroutable")
DELIVERIES: Final = (
    "ack",
    "deliver",
    "deliver_get",
    "deliver_no_ack",
    "get",
    "get_empty",
    "get_no_ack",
    "redeliver",
)


def message_stats(counted: Mapping[str, int]) -> dict[str, object]:
    """What was published and what was delivered, each as soon as there is any of it."""
    values = _values(counted)
    shown: dict[str, object] = {}
    for names in (PUBLISHES, DELIVERIES):
        if any(values[name] for name in names):
            for name in names:
                shown[name] = values[name]
                shown[f"{name}_details"] = {"rate": 0.0}
    return shown


def _values(counted: Mapping[str, int]) -> dict[str, int]:
    fetched, fetched_no_ack = counted["fetched"], counted["fetched_no_ack"]
    no_ack = counted["delivered_no_ack"]
    return {
        "publish": counted["published"],
        "confirm": counted["confirmed"],
        "return_unroutable": counted["unroutable"],
        "drop_unroutable": counted["dropped"],
        "ack": counted["accepted"],
        "deliver": counted["delivered"] - fetched - no_ack,
        "deliver_get": counted["delivered"],
        "deliver_no_ack": no_ack,
        "get": fetched - fetched_no_ack,
        "get_empty": counted["fetched_empty"],
        "get_no_ack": fetched_no_ack,
        "redeliver": counted["redelivered"],
    }
