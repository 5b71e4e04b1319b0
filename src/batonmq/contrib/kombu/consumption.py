"""Takes messages from one queue, one request at a time, each for as many as there is room for."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from typing import Any

from batonmq.engines.futures import Future
from batonmq.engines.interface import Engine, How, Subscription, give_back
from batonmq.engines.values import Incoming
from batonmq.errors import LeaseLost

__all__ = ["Consumption"]

log = logging.getLogger("batonmq.kombu")

# The most messages that the engine lets one consumer hold; the channel sets the actual limit.
PREFETCH = 65535


class Consumption:
    """A consumer of a channel, or the means of its ``basic_get``. The connection's lock guards it."""

    __slots__ = (
        "_asked",
        "_held",
        "_is_over",
        "_on_arrival",
        "_subscription",
        "callback",
        "name",
        "no_ack",
        "queue",
        "ready",
    )

    def __init__(
        self,
        engine: Engine,
        queue: str,
        name: str | None,
        callback: Callable[[Any], object] | None,
        on_arrival: Callable[[Consumption], None],
        *,
        no_ack: bool,
    ) -> None:
        """Begin to take from a queue. ``on_arrival`` is called from any thread. Raises NotFound."""
        self.queue = queue
        self.name = name
        """The consumer's tag; None for ``basic_get``."""
        self.callback = callback
        self.no_ack = no_ack
        self.ready: deque[Incoming] = deque()
        """Messages that have arrived and were not given to the application yet."""
        self._on_arrival = on_arrival
        self._subscription: Subscription = engine.subscribe(queue, PREFETCH).get()
        self._asked: Future[list[Incoming]] | None = None
        self._held = 0
        self._is_over = False

    @property
    def is_idle(self) -> bool:
        """Is nothing requested, and nothing waiting to be given to the application?"""
        return self._asked is None and not self.ready and not self._is_over

    def ask(self, most: int) -> None:
        """Request up to so many messages. Call it while the consumer is idle."""
        self._asked = asked = self._subscription.receive(most)
        asked.when_done(lambda: self._on_arrival(self))

    def arrive(self) -> None:
        """Take in what was requested, into ``ready``. Raises NotFound when the queue is gone, ConnectionLost."""
        asked = self._asked
        if asked is None or not asked.done:
            return
        self._asked = None
        # Also waits until the store has noted the delivery.
        self.ready.extend(asked.get())

    def get(self) -> Incoming | None:
        """A message that is ready now; None: there is none. Raises NotFound, ConnectionLost."""
        asked = self._subscription.receive(1)
        self._subscription.withdraw(asked)
        found = asked.get()
        return found[0] if found else None

    def withdraw(self) -> None:
        """Withdraw the request, as there is no room any more: messages that have not arrived stay in the queue."""
        if self._asked is not None and not self._asked.done:
            self._subscription.withdraw(self._asked)

    def hold(self) -> None:
        """Note that the application holds a message unsettled."""
        self._held += 1

    def settle(self, incoming: Incoming, how: How) -> None:
        """Settle messages that the application holds, or was about to be given.

        A settlement that comes too late is logged.
        """
        try:
            outcome = self._subscription.settle(incoming, how)
        except LeaseLost as lost:
            self._was_late(lost)
            return
        if outcome is not None:
            # Nobody owns the file right now: the next owner reports it.
            outcome.when_done(lambda: self._settled(outcome))

    def _settled(self, outcome: Future[None]) -> None:
        if outcome.error is not None:
            self._was_late(outcome.error)

    def _was_late(self, error: BaseException) -> None:
        log.warning("a message of queue '%s' comes again, although it was settled: %s", self.queue, error)

    def let_go(self) -> None:
        """Note that a message which the application held is settled."""
        self._held -= 1
        if self._is_over and not self._held:
            self._subscription.close()

    def cancel(self) -> None:
        """Take nothing more; the application keeps its messages until they are settled."""
        if self._is_over:
            return
        self._is_over = True
        asked, self._asked = self._asked, None
        if asked is not None:
            give_back(self._subscription, asked)
        while self.ready:
            self.settle(self.ready.pop(), "release")
        if not self._held:
            self._subscription.close()

    def close(self) -> None:
        """Take nothing more, and give all unsettled messages back to the queue."""
        self._is_over = True
        self._asked = None
        self.ready.clear()
        self._subscription.close().get()
