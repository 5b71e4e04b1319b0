"""Counters in the form of RabbitMQ's answers: ``message_stats``, and the numbers of messages in queues."""

from __future__ import annotations

from typing import Final

from batonmq.management.api.ranges import Ranges
from batonmq.management.statistics.shown import Figures

__all__ = ["Row", "exchange_stats", "lengths", "queue_stats", "total_stats"]

Row = dict[str, object]

LENGTHS: Final = ("messages", "messages_ready", "messages_unacknowledged")
PUBLISHES: Final = ("publish", "confirm", "return_unroutable", "drop_unroutable")
DELIVERIES: Final = ("ack", "deliver", "deliver_get", "deliver_no_ack", "get", "get_empty", "get_no_ack", "redeliver")


def lengths(figures: Figures, ranges: Ranges) -> Row:
    """How many messages there are, and how many of them are ready."""
    return figures.show(LENGTHS, ranges.lengths)


def queue_stats(figures: Figures, ranges: Ranges) -> Row:
    """A queue's counters under ``message_stats``: published ones and deliveries, each left out while all are 0."""
    stats: Row = {}
    if figures.value("publish"):
        stats |= figures.show(("publish",), ranges.messages)
    if any(figures.value(name) for name in DELIVERIES):
        stats |= figures.show(DELIVERIES, ranges.messages)
    return {"message_stats": stats} if stats else {}


def exchange_stats(figures: Figures, ranges: Ranges) -> Row:
    """An exchange's counters, if there are any, under ``message_stats``."""
    names = ("publish_in", "publish_out")
    stats = figures.show(names, ranges.messages) if figures.value("publish_in") else {}
    return {"message_stats": stats} if stats else {}


def total_stats(figures: Figures, ranges: Ranges) -> Row:
    """All message counters of virtual hosts."""
    return figures.show((*PUBLISHES, *DELIVERIES), ranges.messages)
