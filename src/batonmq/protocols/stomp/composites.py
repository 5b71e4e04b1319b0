"""What ActiveMQ has in one destination: several of them, options, patterns of queues, and virtual topics.

/queue/a,/topic/b          both; without a prefix a queue
/queue/a?consumer.x=1      options, which are no part of the name
/queue/a.*, /queue/a.>     to a subscriber: all queues whose names match, now and later
Consumer.NAME.VirtualTopic.x
                           the queue of one NAME of those that share what is sent to the topic VirtualTopic.x
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["matches", "parts_of", "with_options"]

# Options of a consumer, and the headers of SUBSCRIBE that say the same. Others mean nothing here.
OPTIONS: Final = {
    "consumer.exclusive": "activemq.exclusive",
    "consumer.noLocal": "activemq.noLocal",
    "consumer.prefetchSize": "activemq.prefetchSize",
    "consumer.priority": "activemq.priority",
    "consumer.selector": "selector",
}


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
