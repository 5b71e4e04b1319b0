"""What ActiveMQ has in one destination: several of them, options, patterns of queues, and virtual topics.

/queue/a,/topic/b          both; without a prefix a queue
/queue/a?consumer.x=1      options, which are no part of the name
/queue/a.*, /queue/a.>     to a subscriber: all queues whose names match, now and later
Consumer.NAME.VirtualTopic.x
                           the queue of one NAME of those that share what is sent to the topic VirtualTopic.x
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["is_pattern", "matches", "parts_of", "virtual_topic", "with_options"]

# Options of a consumer, and the headers of SUBSCRIBE that say the same. Others mean nothing here.
OPTIONS: Final = {
    "consumer.exclusive": "activemq.exclusive",
    "consumer.noLocal": "activemq.noLocal",
    "consumer.prefetchSize": "activemq.prefetchSize",
    "consumer.priority": "activemq.priority",
    "consumer.selector": "selector",
}

_VIRTUAL = re.compile(r"Consumer\.[^.*>]+\.(VirtualTopic\..+)", re.DOTALL)


def parts_of(text: str) -> list[str]:
    """The destinations in a text, without the options; each once."""
    text = text.partition("?")[0]
    if "," not in text:
        return [text]
    parts = [part.strip() for part in text.split(",")]
    named = [part if part.startswith(("/", "queue://", "topic://")) else f"/queue/{part}" for part in parts if part]
    return list(dict.fromkeys(named)) or [""]


def with_options(text: str, headers: Mapping[str, str]) -> Mapping[str, str]:
    """The headers, and what the options of the destination add to them."""
    _, mark, options = text.partition("?")
    if not mark:
        return headers
    found = {OPTIONS[name]: value for name, value in parse_qsl(options) if name in OPTIONS}
    return {**found, **headers}


def is_pattern(name: str) -> bool:
    """Has the name of a queue wildcards, so that it means others?"""
    words = name.split(".")
    return ("*" in words or ">" in words) and virtual_topic(name) is None


def matches(pattern: str, name: str) -> bool:
    """Does a name match a pattern: ``*`` is one word, ``>`` all that follow, if any?"""
    words = name.split(".")
    wanted = pattern.split(".")
    for at, word in enumerate(wanted):
        if word == ">":
            return True
        if at >= len(words) or word not in ("*", words[at]):
            return False
    return len(words) == len(wanted)


def virtual_topic(queue: str) -> str | None:
    """The topic of which a queue of this name gets a copy, as the key of a binding; None: it is any queue."""
    match = _VIRTUAL.fullmatch(queue)
    if match is None:
        return None
    return ".".join("#" if word == ">" else word for word in match[1].split("."))
