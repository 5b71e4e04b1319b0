"""The commands of a guest to the owner of the file: one for each method of an engine, and a few more.

A command has a number, which its answer repeats; 0 asks for no answer. Numbers grow, and a command that is sent again
to the next owner keeps its own. Commands are done in the order in which they come. A guest that sends a number out of
its range is not served any more.
"""

from __future__ import annotations

from typing import TypeAlias

from batonmq.engines.exchanges import Change
from batonmq.engines.interface import How
from batonmq.engines.shared.numbered import Number, Numbered, Positive, Seconds, Share, WireMessage
from batonmq.engines.values import QueueOptions

__all__ = [
    "Arrange",
    "Close",
    "Command",
    "Count",
    "Declare",
    "Delete",
    "Forget",
    "Hold",
    "Manage",
    "Move",
    "Once",
    "Peek",
    "Publish",
    "Purge",
    "Receive",
    "Renew",
    "Reply",
    "Report",
    "Request",
    "Resume",
    "Send",
    "Settle",
    "Settlement",
    "Subscribe",
    "Subscribed",
    "Transact",
    "Unsubscribe",
    "Withdraw",
]


class Once(Numbered):
    """A command that must not be done twice: its outcome is stored until its answer is known to have arrived.

    The answers to all such commands with numbers up to ``known`` have arrived.
    """

    known: Number

    def know(self, number: int) -> None:
        """Note that the answers to all such commands up to this number have arrived."""
        self.known = number


Subscribed: TypeAlias = tuple[Number, str, Positive, Seconds | None, Number]
"""A subscription: number, queue, prefetch, lease, and the last tag that it has seen."""
Hold: TypeAlias = tuple[Number, Number, Number, Number, Seconds | None]
"""A message that the guest holds: subscription, tag, row, delivery count, seconds left of its lease."""
Settlement: TypeAlias = tuple[Number, str, Number, Number, How, str, Seconds | None]
"""A settlement that the former owner may not have stored: number, queue, row, delivery count, the rest as in Settle."""


class Resume(Numbered):
    """The first command, answered by Resumed: who this is, and what it holds from the owners with those openings.

    The latest of these that the store knows applies: a later owner may have died before it did anything.
    """

    guest: Positive
    process: Positive
    openings: list[Number]
    subscriptions: list[Subscribed]
    holds: list[Hold]
    settlements: list[Settlement]


class Declare(Numbered):
    """Answered by Done."""

    queue: str
    options: QueueOptions


class Delete(Numbered):
    """Answered by Done."""

    queue: str


class Send(Once):
    """Answered by Done, after the commit."""

    queue: str
    messages: list[WireMessage]


class Publish(Once):
    """Answered by Counted, with the number of queues, when it is written; ``flushed``: when it is on the disk."""

    exchange: str
    key: str
    message: WireMessage
    flushed: bool


class Arrange(Numbered):
    """Answered by Stands, when it is written; ``flushed``: when it is on the disk."""

    change: Change
    flushed: bool


class Subscribe(Numbered):
    """Answered by Done. The guest chooses the subscription's number."""

    subscription: Number
    queue: str
    prefetch: Positive
    lease: Seconds | None


class Receive(Numbered):
    """Answered by Arrived."""

    subscription: Number
    most: Positive


class Withdraw(Numbered):
    """Has no answer of its own: the Receive of that number is answered soon."""

    receive: Number


class Settle(Numbered):
    """Answered by Settled, one for many; or by Unsettled."""

    subscription: Number
    tag: Number
    how: How
    reason: str
    delay: Seconds | None


class Renew(Numbered):
    """Answered by Done, or Failed with LeaseLost."""

    subscription: Number
    tag: Number
    seconds: Seconds


class Report(Numbered):
    """How far the work on a message is, 0 to 1, and a note. Has no answer."""

    subscription: Number
    tag: Number
    fraction: Share
    note: str


class Unsubscribe(Numbered):
    """Answered by Done."""

    subscription: Number


class Peek(Numbered):
    """Answered by Found."""

    queue: str
    most: Number


class Count(Numbered):
    """Answered by Counted."""

    queue: str


class Purge(Once):
    """Answered by Counted."""

    queue: str


class Move(Once):
    """Answered by Counted."""

    source: str
    target: str | None
    most: Number


class Transact(Once):
    """Answered by Done, after the commit. Each of ``accepts`` is a subscription and a tag."""

    sends: list[tuple[str, WireMessage]]
    accepts: list[tuple[Number, Number]]


class Request(Numbered):
    """Answered by Found, with the reply, when it comes."""

    queue: str
    message: WireMessage


class Manage(Numbered):
    """Answered by Found, with the answer to the management request, when it comes."""

    message: WireMessage


class Forget(Numbered):
    """Has no answer."""

    request: Number


class Reply(Once):
    """Answered by Done."""

    request: WireMessage
    message: WireMessage


class Close(Numbered):
    """The last command. Answered by Done when everything held is given back."""


Command: TypeAlias = (
    Resume
    | Declare
    | Delete
    | Send
    | Publish
    | Arrange
    | Subscribe
    | Receive
    | Withdraw
    | Settle
    | Renew
    | Report
    | Unsubscribe
    | Peek
    | Count
    | Purge
    | Move
    | Transact
    | Request
    | Manage
    | Forget
    | Reply
    | Close
)
