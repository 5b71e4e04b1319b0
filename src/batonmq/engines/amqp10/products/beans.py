"""Names of ActiveMQ Classic's beans (JMX)."""

from __future__ import annotations

from typing import Final

__all__ = ["ANY", "broker_bean", "queue_bean", "scheduler_beans"]

# What would mean something in the name of a bean, and what the broker makes of it.
_ESCAPES: Final = str.maketrans({":": "_", ",": "_", "'": "_", '"': "_", "?": "&qe;", "=": "&amp;", "*": "&ast;"})


ANY: Final = "*"
"""Where a pattern stands for any name."""


def broker_bean(name: str) -> str:
    """A broker; ``*``: any."""
    return f"org.apache.activemq:type=Broker,brokerName={name}"


def queue_bean(broker: str, queue: str) -> str:
    """A queue of the broker with that bean; ``ANY``: a pattern for all of them. No queue has that name."""
    name = queue if queue == ANY else queue.translate(_ESCAPES)
    return f"{broker},destinationType=Queue,destinationName={name}"


def scheduler_beans(broker: str) -> str:
    """What there is only on a broker with schedulerSupport."""
    return f"{broker},service=JobScheduler,*"
