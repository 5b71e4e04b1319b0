"""The owner's answers to another process: each as soon as it is ready, after the commit that it waits for."""

from __future__ import annotations

import logging
import socket
import threading
from collections import deque
from collections.abc import Callable
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

log = logging.getLogger("batonmq.embedded")

T = TypeVar("T")

# A pending answer: the command's number, the future to wait for, and the function that builds the answer.
Due: TypeAlias = tuple[int, Future[Any], Callable[[int, Any], Numbered]]


class GuestAnswers:
    """Collected from any thread, and sent in their order, by the one that serves the guests.

    That thread alone may call what is neither ``promise`` nor ``say``.
    """

    def __init__(self, peer: socket.socket, wake: Callable[[], None]) -> None:
        """``peer`` does not block. ``wake``: something is due, say to the thread that sends; any thread may call it."""
        self._peer = peer
        self._wake = wake
        self._due: deque[Due] = deque()
        # What the socket did not take.
        self._unsent: bytes | memoryview = b""
        # Held for a few instructions, for the next two.
        self._guard = threading.Lock()
        # The last of the settlements that are written and not told; 0: there is none.
        self._settled = 0
        # Does the thread that sends know that there is such a notice?
        self._is_watched = False
        self._has_ended = False
        self._is_broken = False

    # ------------------------------------------------------------------ from any thread

    def promise(self, number: int, future: Future[T], say: Callable[[int, T], Numbered]) -> None:
        """Answer a command when the future is done: with ``say`` of number and outcome, or with Failed."""
        due = (number, future, say)
        if future.done or isinstance(future, CommitFuture):
            # Whoever sends also makes the commit.
            self._put(due)
        else:
            # Called under the core's lock, so it must not block, and does not.
            future.when_done(lambda: self._put(due))

    def say(self, answer: Numbered) -> None:
        """Answer now, after the answers that are due already."""
        self._put((answer.number, resolved(answer), lambda _, answer: answer))

    def say_settled(self, number: int) -> None:
        """Tell soon that the settlements up to this number are written: with an answer, if one is sent."""
        with self._guard:
            self._settled = number
            was_watched, self._is_watched = self._is_watched, True
        if not was_watched:
            self._wake()

    def _put(self, due: Due) -> None:
        if not self._has_ended:
            self._due.append(due)
            self._wake()

    # ------------------------------------------------------------------ in the thread that sends

    @property
    def is_owing(self) -> bool:
        """Is an answer due that waits for a commit?"""
        return bool(self._due)

    @property
    def unsent(self) -> int:
        """So many bytes the socket did not take yet."""
        return len(self._unsent)

    def end(self) -> None:
        """Mark the end: no answer follows those that are due."""
        self._has_ended = True

    def send_ready(self) -> None:
        """Send the answers that wait for nothing, as far as no other comes before them."""
        due = self._due
        ready: list[bytes] = []
        while due and due[0][1].is_ready:
            ready.append(_outcome(*due.popleft()))
        if ready:
            self._send(ready)

    def send_all(self) -> None:
        """Send all that is due, after the commits that it waits for."""
        due = self._due
        ready: list[bytes] = []
        while due:
            # It stays where it is meanwhile: nothing may overtake it.
            outcome = _outcome(*due[0])
            due.popleft()
            ready.append(outcome)
        if ready:
            self._send(ready)

    @property
    def has_notice(self) -> bool:
        """Are there settlements to tell of? They go with the next answer, or with ``send_notice``."""
        return self._is_watched

    def send_notice(self) -> None:
        """Send the notice, if it was not sent with an answer, and none is due with which it will be."""
        with self._guard:
            self._is_watched = bool(self._due and self._settled)
        if not self._due:
            self._send([])

    def send_last(self, answer: Numbered) -> None:
        """Send an answer behind all others."""
        self._send([wire.frame(answer)])

    def _send(self, ready: list[bytes]) -> None:
        """Send answers; the notice goes with the last one that is due, as it must not overtake any."""
        settled = 0
        if not self._due:
            with self._guard:
                settled, self._settled = self._settled, 0
            if settled:
                ready.append(wire.frame(answers.Settled(settled)))
        if not ready:
            return
        self._unsent = b"".join([self._unsent, *ready])
        self.send_rest()
        reached("answer.sent")

    def send_rest(self) -> None:
        """Send what the socket did not take before."""
        if self._is_broken:
            self._unsent = b""
            return
        try:
            sent = self._peer.send(self._unsent, wire.NO_SIGNAL)
        except BlockingIOError:
            return
        except OSError:
            # The process is gone, which the next read finds.
            self._is_broken = True
            self._unsent = b""
            return
        self._unsent = memoryview(self._unsent)[sent:] if sent < len(self._unsent) else b""


def _outcome(number: int, future: Future[T], say: Callable[[int, T], Numbered]) -> bytes:
    """Wait for the commit, if there is one, and build the answer with its outcome."""
    try:
        answer = wire.frame(say(number, future.get()))
    except Exception as error:  # an answer in any case: a bug of ours must not keep another process waiting
        if not isinstance(error, (BatonError, ValueError, TypeError)):
            log.exception("an answer to another process failed in an unexpected way")
        answer = wire.frame(wire.error_to(number, error))
    reached("answer.ready")
    return answer


def say_done(number: int, _nothing: object) -> Numbered:
    """The answer that a command is done."""
    return answers.Done(number)


def say_found(number: int, messages: list[Message]) -> Numbered:
    """The answer with messages that were found."""
    return answers.Found(number, [wire.message_to(message) for message in messages])


def say_standing(number: int, standing: Standing) -> Numbered:
    """The answer to a change of exchanges or queues."""
    return answers.Stands(number, standing.messages, standing.consumers)
