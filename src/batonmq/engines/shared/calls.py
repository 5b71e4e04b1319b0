"""Calls to the owner without an answer yet, and what happens to them when the owner goes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, Literal, Protocol, TypeAlias, TypeVar

from batonmq.engines.exchanges import Standing
from batonmq.engines.futures import Future
from batonmq.engines.messages import Message
from batonmq.engines.shared import answers, commands, wire
from batonmq.engines.shared.numbered import Numbered
from batonmq.errors import BatonError, EngineError

__all__ = [
    "AnyCall",
    "Call",
    "Caller",
    "WhenLost",
    "another_answer",
    "as_count",
    "as_messages",
    "as_nothing",
    "as_reply",
    "as_standing",
    "not_understood",
]

T = TypeVar("T")

WhenLost: TypeAlias = Literal["again", "once", "fail", "over"]
"""What to do when the owner went before it answered, and may have done the command or not:

again: ask the next owner, since doing it twice does no harm. once: ask the next owner, which knows whether it is done.
fail: fail with ConnectionLost, unless the owner said that it had not begun. over: the end of the owner has done it.
"""


class Call(Generic[T]):
    """A command, and the future that its answer resolves."""

    __slots__ = ("command", "future", "read", "when_lost")

    def __init__(
        self, command: Numbered, future: Future[T], read: Callable[[answers.Answer], T], when_lost: WhenLost
    ) -> None:
        self.command = command
        self.future = future
        self.read = read
        self.when_lost = when_lost

    def answered(self, answer: answers.Answer) -> None:
        """Resolve the future with an answer."""
        if isinstance(answer, answers.Failed):
            self.future.fail(wire.error_from(answer))
            return
        try:
            outcome = self.read(answer)
        except ValueError as error:
            self.future.fail(not_understood(error))
        else:
            self.future.resolve(outcome)

    def fail(self, error: BaseException) -> None:
        """Fail the future: no answer comes."""
        self.future.fail(error)


class AnyCall(Protocol):
    """A call with any type of outcome."""

    @property
    def when_lost(self) -> WhenLost:
        """What to do when the owner goes."""

    @property
    def command(self) -> Numbered:
        """The command that is sent."""

    def answered(self, answer: answers.Answer) -> None:
        """Resolve the future with an answer."""

    def fail(self, error: BaseException) -> None:
        """Fail the future: no answer comes."""


class Caller(Protocol):
    """A subscription that every next owner has to know."""

    def subscribed_as(self) -> commands.Subscribed | None:
        """What the next owner needs; None: no owner knows of it yet. Under the lock."""

    def holds(self) -> list[commands.Hold]:
        """The messages that it holds. Under the lock."""

    def keep(self, tags: set[int]) -> None:
        """Keep only these messages: the next owner does not have the others. Under the lock."""

    def late(self, tag: int) -> None:
        """A message was held for too long, and is back in its queue. Under the lock."""

    def ended(self, error: BatonError) -> None:
        """The subscription has ended, with this error."""


def not_understood(error: ValueError) -> EngineError:
    """The error for an answer that makes no sense: the owner may have done the command or not."""
    return EngineError(f"the process that has the file answers with what cannot be understood: {error}")


def another_answer(answer: answers.Answer) -> ValueError:
    """The error for an answer of the wrong kind."""
    return ValueError(f"{type(answer).__name__} is no answer to that")


def as_nothing(answer: answers.Answer) -> None:
    """Check that the command is done: there is nothing to read. Raises ValueError."""
    # For a command that a former owner has done, the next one answers Counted, whatever the command.
    if not isinstance(answer, answers.Done | answers.Counted):
        raise another_answer(answer)


def as_count(answer: answers.Answer) -> int:
    """Read a count. Raises ValueError."""
    if not isinstance(answer, answers.Counted):
        raise another_answer(answer)
    return answer.count


def as_standing(answer: answers.Answer) -> Standing:
    """Read the counts of a queue. Raises ValueError."""
    if not isinstance(answer, answers.Stands):
        raise another_answer(answer)
    return Standing(answer.messages, answer.consumers)


def as_messages(answer: answers.Answer) -> list[Message]:
    """Read messages. Raises ValueError."""
    if not isinstance(answer, answers.Found):
        raise another_answer(answer)
    return [wire.message_from(wired) for wired in answer.messages]


def as_reply(answer: answers.Answer) -> Message:
    """Read the single message of a reply. Raises ValueError."""
    found = as_messages(answer)
    if len(found) != 1:
        raise ValueError(f"{len(found)} messages are no reply")
    return found[0]
