"""Taking messages from one queue: asked for one call at a time, for as many as there is room for."""

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

# What the engine lets be held at a time; how much that is to be, the channel says.
PREFETCH = 65535


class Consumption:
    """A consumer of a channel, or what its ``basic_get`` takes with. The connection's lock guards it."""

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
        """Has come, and was not given to the application yet."""
        self._on_arrival = on_arrival
        self._subscription: Subscription = engine.subscribe(queue, PREFETCH).get()
        self._asked: Future[list[Incoming]] | None = None
        self._held = 0
        self._is_over = False

    @property
    def is_idle(self) -> bool:
        """Has it nothing that is asked for, or still to be given to the application?"""
        return self._asked is None and not self.ready and not self._is_over

    def ask(self, most: int) -> None:
        """Have so many messages come, at the most. Call it while it is idle."""
        self._asked = asked = self._subscription.receive(most)
        asked.when_done(lambda: self._on_arrival(self))

    def arrive(self) -> None:
        """What was asked for has come: it is ``ready``. Raises NotFound when the queue is gone, ConnectionLost."""
        asked = self._asked
        if asked is None or not asked.done:
            return
        self._asked = None
        # Also waits until it is written that they were handed out.
        self.ready.extend(asked.get())

    def get(self) -> Incoming | None:
        """What is there now; None: nothing. Raises NotFound, ConnectionLost."""
        asked = self._subscription.receive(1)
        self._subscription.withdraw(asked)
        found = asked.get()
        return found[0] if found else None

    def withdraw(self) -> None:
        """There is no room any more: what is asked for and has not come stays in the queue."""
        if self._asked is not None and not self._asked.done:
            self._subscription.withdraw(self._asked)

    def hold(self) -> None:
        """A message is with the application, unsettled."""
        self._held += 1

    def settle(self, incoming: Incoming, how: How) -> None:
        """Settle what is with the application, or was to be given to it. What comes too late is logged."""
        try:
            outcome = self._subscription.settle(incoming, how)
        except LeaseLost as lost:
            self._was_late(lost)
            return
        if outcome is not None:
            # Nobody has the file in this moment: the next one who has it says so.
            outcome.when_done(lambda: self._settled(outcome))

    def _settled(self, outcome: Future[None]) -> None:
        if outcome.error is not None:
            self._was_late(outcome.error)

    def _was_late(self, error: BaseException) -> None:
        log.warning("a message of queue '%s' comes again, although it was settled: %s", self.queue, error)

    def let_go(self) -> None:
        """One that was with the application is settled."""
        self._held -= 1
        if self._is_over and not self._held:
            self._subscription.close()

    def cancel(self) -> None:
        """Nothing more is taken; what is with the application stays there until it is settled."""
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
        """Nothing more is taken, and everything unsettled goes back to the queue."""
        self._is_over = True
        self._asked = None
        self.ready.clear()
        self._subscription.close().get()
