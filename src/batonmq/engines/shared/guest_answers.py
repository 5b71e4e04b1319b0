"""The owner's answers to another process: each as soon as it is ready, after the commit that it waits for.

A process that is the only one, and asks for one thing at a time, is answered by the thread that does what it asks, and
makes the commit as well: to wake another one for that cost both processes a seventh of their time. Where more is asked
at a time, a thread of each process waits for commits and answers, so that the rest is done while the disk works, and
shares the next commit.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Any, TypeAlias, TypeVar

from batonmq.engines.embedded.core import CommitFuture
from batonmq.engines.exchanges import Standing
from batonmq.engines.futures import Future, resolved
from batonmq.engines.messages import Message
from batonmq.engines.shared import answers, wire
from batonmq.engines.shared.command_stream import CommandStream
from batonmq.engines.shared.numbered import Numbered
from batonmq.errors import BatonError
from batonmq.points import reached

__all__ = ["GuestAnswers", "say_done", "say_found", "say_standing"]

T = TypeVar("T")

# A pending answer: the command's number, the future to wait for, and the function that builds the answer.
Due: TypeAlias = tuple[int, Future[Any], Callable[[int, Any], Numbered]]

# So many answers that wait for a commit come from the answering thread, once more was asked for during a commit.
THREADED = 64
# How long a notice of settlements waits for an answer that takes it along, in seconds.
NOTICE_SECONDS = 0.02


class GuestAnswers:
    """Collected from any thread, and sent in their order, by the thread that asks or by the answering one."""

    def __init__(self, peer: socket.socket, asked: CommandStream, is_only: Callable[[], bool]) -> None:
        """``asked``: what comes from the peer. Only the thread that reads it may ``promise``.

        ``is_only``: are there no other processes?
        """
        self._peer = peer
        self._asked = asked
        self._is_only = is_only
        # Here the answering thread waits. None: there is a notice, or nothing more to answer.
        self._due: SimpleQueue[Due | None] = SimpleQueue()
        # Held for a few instructions, for the numbers below.
        self._guard = threading.Lock()
        # How many answers are due, or being made; and how many will be that are not yet.
        self._owed = 0
        self._awaited = 0
        # Held while an answer is made and sent.
        self._turn = threading.Lock()
        # So many more answers come from the answering thread.
        self._threaded = 0
        # The last of the settlements that are written and not told; 0: there is none.
        self._settled = 0
        # Does the answering thread look after that notice already?
        self._is_watched = False
        self._has_ended = False

    def promise(self, number: int, future: Future[T], say: Callable[[int, T], Numbered]) -> None:
        """Answer a command when the future is done: with ``say`` of number and outcome, or with Failed."""
        due = (number, future, say)
        if not (future.done or isinstance(future, CommitFuture)):
            with self._guard:
                self._awaited += 1
            # Called under the core's lock, so it must not block, and does not.
            future.when_done(lambda: self._put(due, awaited=1))
        elif (future.is_ready or self._is_all_that_is_asked()) and self._begin():
            self._answer_here(due)
        else:
            # The thread that waits for it also makes the commit.
            self._put(due)

    def say(self, answer: Numbered) -> None:
        """Answer now, after the answers that are due already."""
        self._put((answer.number, resolved(answer), lambda _, answer: answer))

    def say_settled(self, number: int) -> None:
        """Tell soon that the settlements up to this number are written: with an answer, if one is sent."""
        with self._guard:
            self._settled = number
            was_watched, self._is_watched = self._is_watched, True
        if not was_watched:
            self._due.put(None)

    def end(self) -> None:
        """Mark the end: no answer follows."""
        self._has_ended = True
        self._due.put(None)

    def _put(self, due: Due, awaited: int = 0) -> None:
        with self._guard:
            self._awaited -= awaited
            self._owed += 1
        self._due.put(due)

    # ------------------------------------------------------------------ in the thread that does what is asked

    def _is_all_that_is_asked(self) -> bool:
        """Does nobody wait for anything else, as far as can be seen?"""
        if self._threaded:
            self._threaded -= 1
            return False
        return self._is_only() and not self._awaited and not self._asked.has_more()

    def _begin(self) -> bool:
        """Begin an answer, unless another comes before it."""
        with self._guard:
            if self._owed:
                return False
            self._owed = 1
        # Nobody has it who owes nothing.
        self._turn.acquire()
        return True

    def _answer_here(self, due: Due) -> None:
        is_ready = due[1].is_ready
        try:
            answer = _outcome(*due)
            if not is_ready and self._asked.has_more():
                self._threaded = THREADED
            self._send(answer)
        except OSError:
            # The process is gone, which the next read finds.
            with contextlib.suppress(OSError):
                self._peer.shutdown(socket.SHUT_RDWR)
        finally:
            self._turn.release()
            self._owe_one_less()

    # ------------------------------------------------------------------ in the answering thread

    def send_all(self) -> None:
        """Send until the end. Raises OSError when the other process is gone."""
        while (due := self._next()) is not None:
            with self._turn:
                self._send(_outcome(*due))
            self._owe_one_less()
        self._send_notice()

    def _next(self) -> Due | None:
        """The next answer that is due; None: there is none any more."""
        while True:
            try:
                due = self._due.get(timeout=NOTICE_SECONDS if self._is_watched else None)
            except Empty:
                self._send_notice()
                continue
            if due is not None or self._has_ended:
                return due

    def _send_notice(self) -> None:
        """Send the notice, unless it was sent, or an answer will take it along."""
        with self._guard:
            self._is_watched = bool(self._settled)
            if self._owed or not self._settled:
                return
            self._owed = 1
        with self._turn:
            self._send(b"")
        self._owe_one_less()

    # ------------------------------------------------------------------ in both

    def _send(self, answer: bytes) -> None:
        """Send an answer; the notice goes with the last one that is due, as it must not overtake any."""
        reached("answer.ready")
        with self._guard:
            settled = self._settled if self._owed == 1 else 0
            if settled:
                self._settled = 0
        if settled:
            answer += wire.frame(answers.Settled(settled))
        self._peer.sendall(answer, wire.NO_SIGNAL)
        reached("answer.sent")

    def _owe_one_less(self) -> None:
        with self._guard:
            self._owed -= 1


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
