"""The owner's answers: each is sent once it is ready, with the number of its command.

The owner begins with ``Hello``, which the guest answers with ``Resume``; an owner that ends in order sends ``Bye``.
"""

from __future__ import annotations

from typing import TypeAlias

from batonmq.engines.shared.numbered import Number, Numbered, WireMessage

__all__ = [
    "Answer",
    "Arrived",
    "Bye",
    "Counted",
    "Done",
    "Failed",
    "Found",
    "Hello",
    "Late",
    "Resumed",
    "Settled",
    "Stands",
    "Unsettled",
]


class Hello(Numbered):
    """The first answer: the version of ``wire``, the owner's process, and the number of its opening of the file."""

    version: int
    process: int
    opening: Number


class Done(Numbered):
    """The command is done."""


class Counted(Numbered):
    """A number of messages or queues."""

    count: Number


class Stands(Numbered):
    """The counts of a queue: ready messages, and consumers."""

    messages: Number
    consumers: Number


class Found(Numbered):
    """Messages that were found."""

    messages: list[WireMessage]


class Arrived(Numbered):
    """Messages that the guest now holds: each with its delivery count, whether it is redelivered, its tag and row.

    The row is its place in the store, where the next owner finds it; 0: it is lost with this owner. Last come the
    exchange and the routing key that it was published with.
    """

    messages: list[tuple[WireMessage, Number, bool, Number, Number, str, str]]


class Settled(Numbered):
    """All settlements with numbers up to this one's are written, and outlive the owner."""


class Resumed(Numbered):
    """The messages that the guest still holds, by subscription and tag, and the outcomes of its ``Once`` commands.

    Also the subscriptions that have ended, with the error; and the settlements that this owner could not make: each
    with whether it is known, or at least likely, that no former owner made it either.
    """

    kept: list[tuple[Number, Number]]
    done: list[tuple[Number, Number]]
    ended: list[tuple[Number, str, str]]
    passed: list[tuple[Number, bool]]


class Late(Numbered):
    """A notice without a command: a message was held for too long, and is back in its queue."""

    subscription: Number
    tag: Number


class Unsettled(Numbered):
    """The settlement of that number came too late: the message was back in that queue, or is gone with it."""

    queue: str


class Failed(Numbered):
    """An error, by the name of its class."""

    error: str
    text: str


class Bye(Numbered):
    """The last answer: the owner ends. Commands with a greater number than this one's were not begun."""


Answer: TypeAlias = (
    Hello | Resumed | Done | Counted | Stands | Found | Arrived | Settled | Unsettled | Late | Failed | Bye
)
