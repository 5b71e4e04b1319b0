"""What the owner answers another process: each as soon as it is there, after the commit that it waits for."""

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

# What is to be answered: when this future is done, in these words.
Due: TypeAlias = tuple[int, Future[Any], Callable[[int, Any], Numbered]]


class GuestAnswers:
    """Collected from any thread; one thread waits for commits, and sends."""

    def __init__(self, peer: socket.socket) -> None:
        self._peer = peer
        # None: there is nothing more to answer.
        self._due: SimpleQueue[Due | None] = SimpleQueue()

    def promise(self, number: int, future: Future[T], say: Callable[[int, T], Numbered]) -> None:
        """Answer a command when the future is done: with what ``say`` makes of number and outcome, or with Failed."""
        due = (number, future, say)
        if future.done or isinstance(future, CommitFuture):
            # The thread that waits for a commit sees to it.
            self._due.put(due)
        else:
            # Called under the core's lock: it may not wait for anything, and does not.
            future.when_done(lambda: self._due.put(due))

    def say(self, answer: Numbered) -> None:
        """Answer now, after what is due already."""
        self._due.put((answer.number, resolved(answer), lambda _, answer: answer))

    def end(self) -> None:
        """Nothing follows."""
        self._due.put(None)

    def send_all(self) -> None:
        """Send until the end. Raises OSError when the other process is gone."""
        while (due := self._due.get()) is not None:
            answer = _outcome(*due)
            reached("answer.ready")
            self._peer.sendall(answer, wire.NO_SIGNAL)
            reached("answer.sent")


def _outcome(number: int, future: Future[T], say: Callable[[int, T], Numbered]) -> bytes:
    """Wait for the commit, where there is one to wait for, and say how it went."""
    try:
        return wire.frame(say(number, future.get()))
    except (BatonError, ValueError, TypeError) as error:
        return wire.frame(wire.error_to(number, error))


def say_done(number: int, _nothing: object) -> Numbered:
    """It is done."""
    return answers.Done(number)


def say_found(number: int, messages: list[Message]) -> Numbered:
    """The answer with messages that were found."""
    return answers.Found(number, [wire.message_to(message) for message in messages])


def say_standing(number: int, standing: Standing) -> Numbered:
    """The answer to a change of exchanges or queues."""
    return answers.Stands(number, standing.messages, standing.consumers)
