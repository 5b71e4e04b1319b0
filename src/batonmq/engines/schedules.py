"""Messages that come again and again by a cron expression, for engines whose queues are BatonMQ's own.

The original waits in its queue and is never delivered; each time that matches puts a copy of it at the tail.
"""

from __future__ import annotations

from batonmq.broker.features.cron import parse_cron
from batonmq.broker.features.schedules import CRON

__all__ = ["CRON", "next_time"]


def next_time(expression: str, after: int) -> int:
    """The first time that matches after another, both in milliseconds since the epoch; 0: there is none.

    By the local time of this machine. Raises ValueError for what is not a cron expression.
    """
    return parse_cron(expression).after(after)
