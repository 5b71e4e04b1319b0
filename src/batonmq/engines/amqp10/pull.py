"""Takes messages from a queue when they are asked for, and only what is there (part 2 §2.6.7, drain).

None is on its way here that was not asked for, so that none goes back that nobody has seen. When the connection is lost
what is held is lost, and nothing more comes.
"""

from __future__ import annotations

from batonmq.engines.amqp10.taking import Taking
from batonmq.engines.futures import Future
from batonmq.engines.values import Incoming
from batonmq.errors import BatonError

__all__ = ["Amqp10Pull"]


class Amqp10Pull(Taking):
    """A link with credit for what is asked for, which is taken back when that is not there."""

    _asked: Future[list[Incoming]] | None = None
    _most = 0

    def receive(self, most: int) -> Future[list[Incoming]]:
        """Up to so many messages; an empty list where none is ready."""
        self._uplink.require_open()
        request = self._messages.ask(most)
        if not request.done:
            self._uplink.call(lambda: self._ask(request, most))
        return request

    def _ask(self, request: Future[list[Incoming]], most: int) -> None:
        receiver = self._receiver
        if receiver is None or not receiver.is_attached:
            self._messages.withdraw(request)
            return
        self._asked = request
        receiver.drain(most)

    def _serve_new(self) -> None:
        """What has come is served when all has that there is."""
        self._is_to_be_served = False

    def drained(self) -> None:
        if self._counted is not None:
            super().drained()
            return
        # Behind what has just come.
        self._serve()
        asked, self._asked = self._asked, None
        if asked is not None:
            self._messages.withdraw(asked)

    def _top_up(self) -> None:
        """Only who asks gives credit."""

    def _lost_alone(self, error: BatonError) -> None:
        self._finish(error)

    def _lost_with_uplink(self, error: BatonError) -> None:
        self._finish(error)
