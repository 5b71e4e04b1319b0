"""Takes messages from a queue, up to ``prefetch`` of them ahead of requests."""

from __future__ import annotations

from batonmq.engines.amqp10.taking import Taking
from batonmq.engines.futures import Future
from batonmq.engines.values import Incoming

__all__ = ["Amqp10Subscription"]


class Amqp10Subscription(Taking):
    """A link with as much credit as there is room here."""

    def receive(self, most: int) -> Future[list[Incoming]]:
        self._uplink.require_open()
        request = self._messages.ask(most)
        self._serve()
        return request

    def _top_up(self) -> None:
        receiver = self._deliveries.receiver
        if receiver is None or not receiver.is_attached or self._leaving.over is not None:
            return
        wanted = self._prefetch - self._deliveries.occupied
        missing = wanted - receiver.credit
        # Not for every message, or a flow would follow every outcome.
        if missing > 0 and (missing >= self._prefetch // 2 or receiver.credit <= 0):
            receiver.give_credit(wanted)
