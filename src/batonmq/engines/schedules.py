"""Messages that recur by a cron expression, for engines whose queues are BatonMQ's own.

The original stays in its queue and is never delivered; at each matching time a copy is put at the tail.
"""

from __future__ import annotations

from batonmq.broker.features.cron import parse_cron
from batonmq.broker.features.schedules import CRON

__all__ = ["CRON", "next_time"]


def next_time(expression: str, after: int) -> int:
    """The first matching time after another time, both in milliseconds since the epoch; 0: there is none.

    Expressions are in the local time of this machine. Raises ValueError for what is not a cron expression.
    """
    return parse_cron(expression).after(after)
