"""Takes messages from a queue on request, and only those available then (part 2 §2.6.7, drain).

No message is sent unless it is asked for, so none goes back unseen. When the connection is lost, so are the held
messages, and nothing more comes.
"""

from __future__ import annotations

from batonmq.engines.amqp10.taking import Taking
from batonmq.engines.futures import Future
from batonmq.engines.steps import run_steps
from batonmq.engines.values import Incoming
from batonmq.errors import BatonError

__all__ = ["Amqp10Pull"]

# A broker that wrongly reported an empty queue is asked this often in all, with these pauses in seconds.
TRIES = 5
PAUSE = 0.02


class Amqp10Pull(Taking):
    """A link with credit for what is requested; it is drained if that is not available."""

    _asked: Future[list[Incoming]] | None = None
    _most = 0
    _tries = 0

    def receive(self, most: int) -> Future[list[Incoming]]:
        """Up to that many messages; an empty list if none is ready."""
        self._uplink.require_open()
        request = self._messages.ask(most)
        if not request.done:
            self._uplink.call(lambda: self._begin_asking(request, most))
        return request

    def withdraw(self, future: Future[list[Incoming]]) -> None:
        """Do nothing: a request is answered soon in any case, with what was ready."""

    def _begin_asking(self, request: Future[list[Incoming]], most: int) -> None:
        self._tries = TRIES
        self._ask(request, most)

    def _ask(self, request: Future[list[Incoming]], most: int) -> None:
        receiver = self._deliveries.receiver
        if receiver is None or not receiver.is_attached:
            self._messages.withdraw(request)
            return
        self._asked, self._most = request, most
        receiver.drain(most)

    def _serve_new(self) -> None:
        """Answer the request once everything available has arrived."""
        self._is_to_be_served = False

    def drained(self) -> None:
        if self._leaving.is_waiting:
            super().drained()
            return
        # After the messages that have just arrived.
        self._serve()
        asked = self._asked
        if asked is None or asked.done:
            self._asked = None
            return
        checked = run_steps(self._product.is_drained(self._queue))
        checked.when_done(lambda: self._checked(asked, checked))

    def _checked(self, asked: Future[list[Incoming]], checked: Future[bool]) -> None:
        """Nothing came: is the queue empty, or did the broker err?"""
        if asked is not self._asked:
            return
        self._tries -= 1
        if asked.done or checked.error is not None or checked.result() or not self._tries:
            self._asked = None
            self._messages.withdraw(asked)
            return
        self._uplink.later(PAUSE, lambda: self._ask(asked, self._most))

    def _top_up(self) -> None:
        """Do nothing: only requests give credit."""

    def _lost_alone(self, error: BatonError) -> None:
        self._finish(error)

    def _lost_with_uplink(self, error: BatonError) -> None:
        self._finish(error)
