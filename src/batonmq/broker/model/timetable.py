"""The timers of the whole broker, in one heap, so that the host needs a single timer."""

from __future__ import annotations

import heapq
from itertools import count
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from batonmq.clock import Clock


class Timer:
    """A call that is due at a time; it can be cancelled."""

    __slots__ = ("callback", "due")

    def __init__(self, due: float, callback: Callable[[], None]) -> None:
        self.due = due
        self.callback: Callable[[], None] | None = callback

    def cancel(self) -> None:
        """Cancel the call; harmless if it was made already."""
        self.callback = None


class Timetable:
    """Calls in the order of their time."""

    __slots__ = ("_clean_at", "_clock", "_heap", "_number", "_on_change")

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._heap: list[tuple[float, int, Timer]] = []
        self._number = count()
        # Cancelled calls stay in the heap until their time; above this length it is cleaned.
        self._clean_at = 1024
        self._on_change: Callable[[], None] | None = None

    def on_change(self, callback: Callable[[], None] | None) -> None:
        """Set the function to call whenever the earliest time changes."""
        self._on_change = callback

    def after(self, seconds: float, callback: Callable[[], None]) -> Timer:
        """Call once, that many seconds from now (0 or less: at the next run)."""
        if len(self._heap) >= self._clean_at:
            self._heap[:] = [entry for entry in self._heap if entry[2].callback is not None]
            heapq.heapify(self._heap)
            self._clean_at = 2 * len(self._heap) + 1024
        timer = Timer(self._clock.monotonic() + seconds, callback)
        heapq.heappush(self._heap, (timer.due, next(self._number), timer))
        if self._heap[0][2] is timer and self._on_change is not None:
            self._on_change()
        return timer

    def next_due(self) -> float | None:
        """The monotonic time of the next call; None when there is none."""
        heap = self._heap
        while heap and heap[0][2].callback is None:
            heapq.heappop(heap)
        return heap[0][0] if heap else None

    def due(self) -> Iterator[Callable[[], None]]:
        """Make the calls that are due now, and those that they make due; each once."""
        now = self._clock.monotonic()
        heap = self._heap
        while heap and heap[0][0] <= now:
            timer = heapq.heappop(heap)[2]
            callback = timer.callback
            if callback is not None:
                timer.callback = None
                yield callback
