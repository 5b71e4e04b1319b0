"""What goes over the socket: frames of four bytes of length and a MessagePack array.

A command has a number, which its answer repeats; 0 asks for no answer. Numbers grow, and a command that is asked again
of the next owner keeps its own. Commands are done in the order in which they come, answers come as they are ready. The
owner begins with ``Hello``, which the guest answers with ``Resume``; it ends, when it goes in order, with ``Bye``.
"""

from __future__ import annotations

import socket
import struct
from typing import BinaryIO, TypeAlias

import msgspec

from batonmq import errors
from batonmq.engines.interface import How
from batonmq.engines.values import Incoming, Message, QueueOptions
from batonmq.errors import BatonError, EngineError
from batonmq.properties import Properties

__all__ = [
    "BUFFER",
    "NO_SIGNAL",
    "VERSION",
    "Answer",
    "Arrived",
    "Bye",
    "Close",
    "Command",
    "Count",
    "Counted",
    "Declare",
    "Delete",
    "Done",
    "Failed",
    "Forget",
    "Found",
    "Hello",
    "Late",
    "Move",
    "Numbered",
    "Once",
    "Peek",
    "Purge",
    "Receive",
    "Renew",
    "Reply",
    "Request",
    "Resume",
    "Resumed",
    "Send",
    "Settle",
    "Settled",
    "Subscribe",
    "Transact",
    "Unsubscribe",
    "WireMessage",
    "Withdraw",
    "error_from",
    "error_to",
    "frame",
    "incoming_to",
    "message_from",
    "message_to",
    "read_answer",
    "read_command",
]

VERSION = 3
"""Changes with everything below: two processes with different ones do not share a file."""

# A program may have given SIGPIPE its default action, which would end it when the other end goes.
NO_SIGNAL = getattr(socket, "MSG_NOSIGNAL", 0)
# What is read at once: some hundred small messages.
BUFFER = 1 << 16
_LENGTH = struct.Struct(">I")
LENGTH_MAX = (1 << 32) - 1

WireMessage: TypeAlias = tuple[bytes, bytes, float]
"""Body, properties as AMQP 0-9-1 writes them, delay."""


class Numbered(msgspec.Struct, array_like=True, tag=True, gc=False):
    """A command or an answer."""

    number: int


class Once(Numbered):
    """A command that must not be done twice: its outcome is in the store, until an answer is known to have come.

    All answers to such commands with numbers up to ``known`` have come.
    """

    known: int


Subscribed: TypeAlias = tuple[int, str, int, float | None, int]
"""A subscription: number, queue, prefetch, lease, and the last tag that it has seen."""
Hold: TypeAlias = tuple[int, int, int, int, float | None]
"""A message in the guest's hands: subscription, tag, row, delivery count, how many seconds it may still be held."""
Settlement: TypeAlias = tuple[int, str, int, int, How, str, float | None]
"""A settlement that the former owner may not have kept: number, queue, row, delivery count, and as in Settle."""

# ---------------------------------------------------------------------- commands: one for each method of an engine


class Resume(Numbered):
    """The first command, answered by Resumed: who this is, and what it had of the owner with that opening."""

    guest: int
    process: int
    opening: int
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


class Subscribe(Numbered):
    """Answered by Done. The guest chooses the subscription's number."""

    subscription: int
    queue: str
    prefetch: int
    lease: float | None


class Receive(Numbered):
    """Answered by Arrived."""

    subscription: int
    most: int


class Withdraw(Numbered):
    """Has no answer: the one to the Receive of that number follows soon."""

    receive: int


class Settle(Numbered):
    """Has no answer of its own but Settled: a message that is not held any more is settled already."""

    subscription: int
    tag: int
    how: How
    reason: str
    delay: float | None


class Renew(Numbered):
    """Answered by Done, or Failed with LeaseLost."""

    subscription: int
    tag: int
    seconds: float


class Unsubscribe(Numbered):
    """Answered by Done."""

    subscription: int


class Peek(Numbered):
    """Answered by Found."""

    queue: str
    most: int


class Count(Numbered):
    """Answered by Counted."""

    queue: str


class Purge(Once):
    """Answered by Counted."""

    queue: str


class Move(Once):
    """Answered by Counted."""

    source: str
    target: str
    most: int


class Transact(Once):
    """Answered by Done, after the commit. Accepts are of a subscription and a tag."""

    sends: list[tuple[str, WireMessage]]
    accepts: list[tuple[int, int]]


class Request(Numbered):
    """Answered by Found, with the reply, when it comes."""

    queue: str
    message: WireMessage


class Forget(Numbered):
    """Has no answer."""

    request: int


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
    | Subscribe
    | Receive
    | Withdraw
    | Settle
    | Renew
    | Unsubscribe
    | Peek
    | Count
    | Purge
    | Move
    | Transact
    | Request
    | Forget
    | Reply
    | Close
)

# ---------------------------------------------------------------------- answers


class Hello(Numbered):
    """The first: the version of all this, the owner's process, and the number of its opening of the file."""

    version: int
    process: int
    opening: int


class Done(Numbered):
    """It is done."""


class Counted(Numbered):
    """How many."""

    count: int


class Found(Numbered):
    """Messages."""

    messages: list[WireMessage]


class Arrived(Numbered):
    """Messages that are now in these hands: each with its delivery count, whether it comes again, its tag and row.

    The row is its place in the store, where the next owner finds it; 0: it goes with this one.
    """

    messages: list[tuple[WireMessage, int, bool, int, int]]


class Settled(Numbered):
    """The settlements with numbers up to this one's outlive the owner."""


class Resumed(Numbered):
    """What is still in the guest's hands, by subscription and tag; what was done of what must not be done twice.

    And the subscriptions that are over, with the error.
    """

    kept: list[tuple[int, int]]
    done: list[tuple[int, int]]
    ended: list[tuple[int, str, str]]


class Late(Numbered):
    """Answers nothing: a message was held for too long, and is back in its queue."""

    subscription: int
    tag: int


class Failed(Numbered):
    """An error, by the name of its class."""

    error: str
    text: str


class Bye(Numbered):
    """The last: the owner goes. Commands with a greater number than this one's were not begun."""


Answer: TypeAlias = Hello | Resumed | Done | Counted | Found | Arrived | Settled | Late | Failed | Bye

_encoder = msgspec.msgpack.Encoder()
_commands = msgspec.msgpack.Decoder(Command)
_answers = msgspec.msgpack.Decoder(Answer)


def frame(what: Numbered) -> bytes:
    """As it goes over the socket. Raises ValueError for what is larger than 4 GiB."""
    packed = _encoder.encode(what)
    if len(packed) > LENGTH_MAX:
        raise ValueError(f"{len(packed)} bytes are too many for one call")
    return _LENGTH.pack(len(packed)) + packed


def read_command(stream: BinaryIO) -> Command | None:
    """The next; None at the end. Raises OSError, and msgspec.DecodeError for what is none."""
    packed = _read(stream)
    return None if packed is None else _commands.decode(packed)


def read_answer(stream: BinaryIO) -> Answer | None:
    """The next; None at the end. Raises OSError, and msgspec.DecodeError for what is none."""
    packed = _read(stream)
    return None if packed is None else _answers.decode(packed)


def _read(stream: BinaryIO) -> bytes | None:
    """A frame that breaks off is as good as none: whoever sent it is gone."""
    head = stream.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        return None
    (length,) = _LENGTH.unpack(head)
    packed = stream.read(length)
    return packed if len(packed) == length else None


def message_to(message: Message) -> WireMessage:
    """A message for the socket."""
    return (message.body, message.properties.raw, message.delay)


def message_from(wired: WireMessage) -> Message:
    """And back. Raises FieldError, a ValueError, for properties that are none."""
    message = Message.received(wired[0], Properties.decode(wired[1]))
    message.delay = wired[2]
    return message


def incoming_to(incoming: Incoming, row: int) -> tuple[WireMessage, int, bool, int, int]:
    """A message in somebody's hands, for the socket."""
    assert isinstance(incoming.handle, int)
    return (message_to(incoming.message), incoming.delivery_count, incoming.redelivered, incoming.handle, row)


def error_to(number: int, error: Exception) -> Failed:
    """An error for the socket: by the nearest class that the other end knows."""
    for kind in type(error).__mro__:
        if _known(kind.__name__) is kind:
            return Failed(number, kind.__name__, str(error))
    return Failed(number, EngineError.__name__, f"internal error: {error}")


def error_from(failed: Failed) -> Exception:
    """And back."""
    return (_known(failed.error) or EngineError)(failed.text)


def _known(name: str) -> type[Exception] | None:
    if name in ("ValueError", "TypeError"):
        return ValueError if name == "ValueError" else TypeError
    kind = getattr(errors, name, None)
    return kind if isinstance(kind, type) and issubclass(kind, BatonError) else None
