"""Names of ActiveMQ Classic's beans (JMX)."""

from __future__ import annotations

from typing import Final

__all__ = ["ANY", "broker_bean", "queue_bean", "scheduler_beans"]

# Special characters in the name of a bean, and the broker's replacements.
_ESCAPES: Final = str.maketrans({":": "_", ",": "_", "'": "_", '"': "_", "?": "&qe;", "=": "&amp;", "*": "&ast;"})


ANY: Final = "*"
"""A pattern that matches any name."""


def broker_bean(name: str) -> str:
    """A broker; ``*``: any."""
    return f"org.apache.activemq:type=Broker,brokerName={name}"


def queue_bean(broker: str, queue: str) -> str:
    """A queue of the broker with that bean; ``ANY``: a pattern for all of them. No queue has this name."""
    name = queue if queue == ANY else queue.translate(_ESCAPES)
    return f"{broker},destinationType=Queue,destinationName={name}"


def scheduler_beans(broker: str) -> str:
    """The bean that only a broker with schedulerSupport has."""
    return f"{broker},service=JobScheduler,*"
