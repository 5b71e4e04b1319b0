"""The options of sending, and checks that the engine has them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TypedDict

from batonmq.engines.messages import HeaderValue, Message
from batonmq.engines.queue_arguments import ARGUMENTS, Argument
from batonmq.engines.values import Capabilities, QueueOptions
from batonmq.errors import UnsupportedFeature

__all__ = [
    "LEASE_MIN",
    "SendOptions",
    "as_message",
    "otherwise_declared",
    "require",
    "require_feature",
    "require_options",
]


# Seconds. Deadlines are checked every 10 ms.
LEASE_MIN = 0.1


class SendOptions(TypedDict, total=False):
    """The options of ``send``; all are optional. Times are in seconds; each text has at most 255 bytes in UTF-8."""

    id: str | None
    """The application's identifier."""
    headers: Mapping[str, HeaderValue] | None
    """The application's headers: text, numbers, booleans, bytes, None, and lists and mappings of these."""
    content_type: str | None
    """The media type of the body."""
    correlation_id: str | None
    """Ties a reply to its request."""
    reply_to: str | None
    """The queue for the reply; ``request`` sets it by itself."""
    type: str | None
    """The application's name for the kind of message."""
    priority: int
    """0 to 255, higher first, in queues declared with ``max_priority``."""
    ttl: float | None
    """Seconds after which the message expires, 0 or more; None: never."""
    delay: float
    """Seconds before the message becomes ready, 0 or more."""
    group: str | None
    """Messages of one group are held by one receiver at a time, in order."""
    created_at: datetime | None
    """When the application made the message; sent in whole seconds."""
    durable: bool
    """Does the message survive a restart, in a durable queue? Default: True."""


def as_message(body: bytes | Message, options: SendOptions) -> Message:
    """Return a Message as it is, or create one from a body. Raises TypeError for a Message with options."""
    if isinstance(body, Message):
        if options:
            raise TypeError("what is said about a Message is said when it is made, not when it is sent")
        return body
    return Message(body, **options)


def require_feature(can: Capabilities, possible: bool, feature: str) -> None:
    """Raises UnsupportedFeature, naming the engine and the feature."""
    if not possible:
        raise UnsupportedFeature(f"{can.engine}: {feature}; capabilities tells what this engine has")


def require_options(can: Capabilities, options: QueueOptions) -> None:
    """Raises UnsupportedFeature for an option of ``declare`` that the engine does not have."""
    require_feature(can, can.max_deliveries or options.max_deliveries is None, "max_deliveries")
    require_feature(can, can.dead_letter or options.dead_letter is None, "dead_letter")
    require_feature(can, can.ttl or options.ttl is None, "ttl")
    require_feature(can, can.max_length or options.max_length is None, "max_length")
    require_feature(can, can.max_length or options.max_bytes is None, "max_bytes")
    require_feature(can, can.max_length or options.overflow == "drop-oldest", "overflow")
    require_feature(can, can.priority or not options.max_priority, "priority")
    require_feature(can, can.expires or options.expires is None, "expires")
    require_feature(can, can.single_consumer or not options.single_consumer, "single_consumer")
    require_feature(can, can.retry_delay or options.retry_delay is None, "retry_delay")
    require_feature(can, can.deduplication or options.deduplication is None, "deduplication")


def require(can: Capabilities, message: Message) -> None:
    """Raises UnsupportedFeature for an option of the message that the engine does not have."""
    properties = message.properties
    if properties.plain and not message.delay and not properties.has_priority:
        return
    require_feature(can, can.delay or not message.delay, "delay")
    require_feature(can, can.group or message.group is None, "group")
    require_feature(can, can.ttl or message.ttl is None, "ttl")
    require_feature(can, can.priority or not message.priority, "priority")


# A broker's text for a queue that exists with other arguments.
INEQUIVALENT = re.compile(
    r"inequivalent arg '(?P<name>[^']+)' for queue .*: received (?P<received>.*) but current is (?P<current>.*)",
    re.DOTALL,
)
# The option of ``declare`` for each argument.
BY_ARGUMENT = {argument.name: argument for argument in ARGUMENTS}


def otherwise_declared(queue: str, said: str) -> str:
    """The broker's text, in the terms of ``declare``."""
    found = INEQUIVALENT.search(said)
    if found is None:
        return said
    if found["name"] == "x-queue-type":
        return _of_another_type(queue, _value(found["current"], int), _value(found["received"], int))
    argument = BY_ARGUMENT.get(found["name"], Argument(found["name"], found["name"]))
    asked, there = (_value(found[which], argument.to_option) for which in ("received", "current"))
    return (
        f"queue '{queue}' is there, declared otherwise: {argument.option} is {there} there, and {asked} was asked for"
    )


def _of_another_type(queue: str, there: str, asked: str) -> str:
    """The text for a queue of another type. RabbitMQ says "none" of a queue that was declared without a type."""
    if there == "stream":
        return f"'{queue}' is there as a stream, which is no queue"
    types = [f"a {'classic' if name == 'none' else name} queue" for name in (there, asked)]
    return (
        f"queue '{queue}' is there, declared otherwise: as {types[0]}, and {types[1]} was asked for "
        "(max_deliveries, retry_delay and dead_letter take a quorum queue)"
    )


def _value(said: str, convert: Callable[[int], int | float]) -> str:
    """ "the value '3' of type 'signedint'" is 3."""
    quoted = re.match(r"(?:the value )?'(.*?)'(?: of type '.*')?$", said, re.DOTALL)
    text = said if quoted is None else quoted[1]
    # The exchange without a name leads to queues: dead letters go to one.
    return f"{convert(int(text)):g}" if text.isascii() and text.isdigit() else text or "a queue"
