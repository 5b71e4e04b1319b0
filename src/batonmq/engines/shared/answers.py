"""What the process that has the file answers: as each is ready, under the number of its command.

The owner begins with ``Hello``, which the guest answers with ``Resume``; it ends, when it goes in order, with ``Bye``.
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
    """The first: the version of all this, the owner's process, and the number of its opening of the file."""

    version: int
    process: int
    opening: Number


class Done(Numbered):
    """It is done."""


class Counted(Numbered):
    """How many."""

    count: Number


class Stands(Numbered):
    """How a queue stands: messages that are ready, and consumers."""

    messages: Number
    consumers: Number


class Found(Numbered):
    """Messages."""

    messages: list[WireMessage]


class Arrived(Numbered):
    """Messages that are now in these hands: each with its delivery count, whether it comes again, its tag and row.

    The row is its place in the store, where the next owner finds it; 0: it goes with this one. Last come the exchange
    and the routing key that it was published with.
    """

    messages: list[tuple[WireMessage, Number, bool, Number, Number, str, str]]


class Settled(Numbered):
    """The settlements with numbers up to this one's outlive the owner."""


class Resumed(Numbered):
    """What is still in the guest's hands, by subscription and tag; what was done of what must not be done twice.

    Also the subscriptions that are over, with the error; and the settlements that this owner could not do: each with
    whether it is known, or at least likely, that no former owner has done it either.
    """

    kept: list[tuple[Number, Number]]
    done: list[tuple[Number, Number]]
    ended: list[tuple[Number, str, str]]
    passed: list[tuple[Number, bool]]


class Late(Numbered):
    """Answers nothing: a message was held for too long, and is back in its queue."""

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
    """The last: the owner goes. Commands with a greater number than this one's were not begun."""


Answer: TypeAlias = (
    Hello | Resumed | Done | Counted | Stands | Found | Arrived | Settled | Unsettled | Late | Failed | Bye
)
