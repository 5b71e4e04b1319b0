"""What was asked of the owner and is not answered, and what becomes of it when the owner goes."""

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
"""When the owner went before it answered, and nobody knows whether it is done:

again: ask the next owner, for twice is as good as once. once: ask the next owner, which knows whether it is done.
fail: it raises ConnectionLost, unless the owner has said that it did not begin. over: the owner's going did it.
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
        """This came for it."""
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
        """Nothing comes."""
        self.future.fail(error)


class AnyCall(Protocol):
    """A call, whatever its outcome is."""

    @property
    def when_lost(self) -> WhenLost:
        """What the owner's going means for it."""

    @property
    def command(self) -> Numbered:
        """What is asked."""

    def answered(self, answer: answers.Answer) -> None:
        """This came for it."""

    def fail(self, error: BaseException) -> None:
        """Nothing comes."""


class Caller(Protocol):
    """A subscription, which the next owner has to know of."""

    def subscribed_as(self) -> commands.Subscribed | None:
        """What the next owner needs; None: no owner knows of it yet. Under the lock."""

    def holds(self) -> list[commands.Hold]:
        """What is in its hands. Under the lock."""

    def keep(self, tags: set[int]) -> None:
        """Of what is in its hands the next owner has only these. Under the lock."""

    def late(self, tag: int) -> None:
        """A message was held for too long, and is back in its queue. Under the lock."""

    def ended(self, error: BatonError) -> None:
        """There is none, and none comes."""


def not_understood(error: ValueError) -> EngineError:
    """What is told where the answer makes no sense: whoever has the file has done, or not, what was asked."""
    return EngineError(f"the process that has the file answers with what cannot be understood: {error}")


def another_answer(answer: answers.Answer) -> ValueError:
    """This is no answer to what was asked."""
    return ValueError(f"{type(answer).__name__} is no answer to that")


def as_nothing(answer: answers.Answer) -> None:
    """It is done: there is nothing to read. Raises ValueError."""
    # Of what the former owner has done the next one has a number, whatever was asked.
    if not isinstance(answer, answers.Done | answers.Counted):
        raise another_answer(answer)


def as_count(answer: answers.Answer) -> int:
    """How many. Raises ValueError."""
    if not isinstance(answer, answers.Counted):
        raise another_answer(answer)
    return answer.count


def as_standing(answer: answers.Answer) -> Standing:
    """How a queue stands. Raises ValueError."""
    if not isinstance(answer, answers.Stands):
        raise another_answer(answer)
    return Standing(answer.messages, answer.consumers)


def as_messages(answer: answers.Answer) -> list[Message]:
    """Messages. Raises ValueError."""
    if not isinstance(answer, answers.Found):
        raise another_answer(answer)
    return [wire.message_from(wired) for wired in answer.messages]


def as_reply(answer: answers.Answer) -> Message:
    """The one message that was asked for. Raises ValueError."""
    found = as_messages(answer)
    if len(found) != 1:
        raise ValueError(f"{len(found)} messages are no reply")
    return found[0]
