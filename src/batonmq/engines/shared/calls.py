"""What was asked of the owner and is not answered, and what becomes of it when the owner goes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, Literal, Protocol, TypeAlias, TypeVar

from batonmq.engines.futures import Future
from batonmq.engines.shared import wire
from batonmq.engines.values import Message

__all__ = ["AnyCall", "Call", "WhenLost", "as_count", "as_messages", "as_nothing"]

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
        self, command: wire.Numbered, future: Future[T], read: Callable[[wire.Answer], T], when_lost: WhenLost
    ) -> None:
        self.command = command
        self.future = future
        self.read = read
        self.when_lost = when_lost

    def answered(self, answer: wire.Answer) -> None:
        """This came for it."""
        if isinstance(answer, wire.Failed):
            self.future.fail(wire.error_from(answer))
        else:
            self.future.resolve(self.read(answer))

    def fail(self, error: BaseException) -> None:
        """Nothing comes."""
        self.future.fail(error)


class AnyCall(Protocol):
    """A call, whatever its outcome is."""

    @property
    def when_lost(self) -> WhenLost:
        """What the owner's going means for it."""

    @property
    def command(self) -> wire.Numbered:
        """What is asked."""

    def answered(self, answer: wire.Answer) -> None:
        """This came for it."""

    def fail(self, error: BaseException) -> None:
        """Nothing comes."""


def as_nothing(_answer: wire.Answer) -> None:
    """It is done: there is nothing to read."""


def as_count(answer: wire.Answer) -> int:
    """How many."""
    assert isinstance(answer, wire.Counted)
    return answer.count


def as_messages(answer: wire.Answer) -> list[Message]:
    """Messages."""
    assert isinstance(answer, wire.Found)
    return [wire.message_from(wired) for wired in answer.messages]
