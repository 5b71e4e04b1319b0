"""Topics, for protocols that have named topics: keys of the exchange amq.topic."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from batonmq.broker.vhosts.vhost import VirtualHost

__all__ = ["TOPIC_EXCHANGE", "has_subscribers", "is_pattern", "topic_key", "virtual_topic"]

TOPIC_EXCHANGE: Final = "amq.topic"

_VIRTUAL = re.compile(r"Consumer\.[^.*>]+\.(VirtualTopic\..+)", re.DOTALL)


def topic_key(name: str) -> str:
    """A topic's name in ActiveMQ as a key of the exchange: the wildcard ``>`` becomes ``#``."""
    return ".".join(["#" if word == ">" else word for word in name.split(".")]) if ">" in name else name


def virtual_topic(queue: str) -> str | None:
    """The topic that a queue of this name copies in ActiveMQ, as a binding key; None: an ordinary queue.

    ``Consumer.NAME.VirtualTopic.x`` is the queue of one NAME of those that share the topic ``VirtualTopic.x``.
    """
    match = _VIRTUAL.fullmatch(queue)
    return None if match is None else topic_key(match[1])


def is_pattern(name: str) -> bool:
    """Does a queue's name contain ActiveMQ's wildcards, and so stand for others?"""
    words = name.split(".")
    return ("*" in words or ">" in words) and virtual_topic(name) is None


def has_subscribers(vhost: VirtualHost, name: str) -> bool:
    """Does the topic of this name have any receivers?"""
    return any(True for _ in vhost.router.exchanges[TOPIC_EXCHANGE].match(name, {}))
