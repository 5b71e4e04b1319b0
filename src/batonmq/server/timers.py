"""The passing of time: the broker's timers, and the ticks of the sessions."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from batonmq.clock import Clock
from batonmq.protocols.sessions.heartbeats import OFTEN
from batonmq.server.interface import Broker

__all__ = ["Timers"]

logger = logging.getLogger(__name__)

# A loop's timers count milliseconds; a shorter delay would only spin.
SHORTEST_SECONDS = 0.001


class Timers:
    """One timer of the loop for the broker's next due moment, and one for the ticks."""

    def __init__(
        self, broker: Broker, loop: asyncio.AbstractEventLoop, clock: Clock, on_tick: Callable[[float], None]
    ) -> None:
        self._broker = broker
        self._timetable = broker.timetable
        self._loop = loop
        self._clock = clock
        self._on_tick = on_tick
        self._is_running = False
        self._due: float | None = None
        self._due_handle: asyncio.TimerHandle | None = None
        self._tick_handle: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Start ticking."""
        self._is_running = True
        self._tick_handle = self._loop.call_later(OFTEN, self._tick)
        self.look()

    def stop(self) -> None:
        """Stop both timers."""
        self._is_running = False
        for handle in (self._due_handle, self._tick_handle):
            if handle is not None:
                handle.cancel()
        self._due_handle = self._tick_handle = None

    def look(self) -> None:
        """The broker's next due time has changed: reset the timer."""
        due = self._timetable.next_due()
        if due == self._due or not self._is_running:
            return
        self._due = due
        if self._due_handle is not None:
            self._due_handle.cancel()
            self._due_handle = None
        if due is not None:
            delay = max(SHORTEST_SECONDS, due - self._clock.monotonic())
            self._due_handle = self._loop.call_later(delay, self._is_due)

    def _is_due(self) -> None:
        self._due = self._due_handle = None
        try:
            self._broker.run_timers()
        except Exception:
            logger.exception("a timer of the broker failed")
        self.look()
        self._broker.on_work()

    def _tick(self) -> None:
        self._tick_handle = self._loop.call_later(OFTEN, self._tick)
        self._on_tick(self._clock.monotonic())
