"""The owner's answers to another process: each as soon as it is ready, after the commit that it waits for."""

from __future__ import annotations

import socket
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, TypeAlias, TypeVar

from batonmq.engines.embedded.core import CommitFuture
from batonmq.engines.exchanges import Standing
from batonmq.engines.futures import Future, resolved
from batonmq.engines.messages import Message
from batonmq.engines.shared import answers, wire
from batonmq.engines.shared.numbered import Numbered
from batonmq.errors import BatonError
from batonmq.points import reached

__all__ = ["GuestAnswers", "say_done", "say_found", "say_standing"]

T = TypeVar("T")

# A pending answer: the command's number, the future to wait for, and the function that builds the answer.
Due: TypeAlias = tuple[int, Future[Any], Callable[[int, Any], Numbered]]


class GuestAnswers:
    """Collected from any thread; one thread waits for commits, and sends."""

    def __init__(self, peer: socket.socket) -> None:
        self._peer = peer
        # None: there is nothing more to answer.
        self._due: SimpleQueue[Due | None] = SimpleQueue()

    def promise(self, number: int, future: Future[T], say: Callable[[int, T], Numbered]) -> None:
        """Answer a command when the future is done: with ``say`` of number and outcome, or with Failed."""
        due = (number, future, say)
        if future.done or isinstance(future, CommitFuture):
            # The thread that waits for it also makes the commit.
            self._due.put(due)
        else:
            # Called under the core's lock, so it must not block, and does not.
            future.when_done(lambda: self._due.put(due))

    def say(self, answer: Numbered) -> None:
        """Answer now, after the answers that are due already."""
        self._due.put((answer.number, resolved(answer), lambda _, answer: answer))

    def end(self) -> None:
        """Mark the end: no answer follows."""
        self._due.put(None)

    def send_all(self) -> None:
        """Send until the end. Raises OSError when the other process is gone."""
        while (due := self._due.get()) is not None:
            answer = _outcome(*due)
            reached("answer.ready")
            self._peer.sendall(answer, wire.NO_SIGNAL)
            reached("answer.sent")


def _outcome(number: int, future: Future[T], say: Callable[[int, T], Numbered]) -> bytes:
    """Wait for the commit, if there is one, and build the answer with its outcome."""
    try:
        return wire.frame(say(number, future.get()))
    except (BatonError, ValueError, TypeError) as error:
        return wire.frame(wire.error_to(number, error))


def say_done(number: int, _nothing: object) -> Numbered:
    """The answer that a command is done."""
    return answers.Done(number)


def say_found(number: int, messages: list[Message]) -> Numbered:
    """The answer with messages that were found."""
    return answers.Found(number, [wire.message_to(message) for message in messages])


def say_standing(number: int, standing: Standing) -> Numbered:
    """The answer to a change of exchanges or queues."""
    return answers.Stands(number, standing.messages, standing.consumers)
