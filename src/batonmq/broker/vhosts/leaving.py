"""Queues that go with their connection, thousands perhaps: their names are free at once, their end takes some turns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from batonmq.broker.model.scheduler import Scheduler
    from batonmq.broker.queues.queue import Queue

# For so long queues are ended in one turn; each takes some 80 us, and 20 more for each binding. Few go at once.
SLICE_SECONDS: Final = 0.002
# After which time it goes on: the next turn has begun by then.
PAUSE_SECONDS: Final = 0.001


class Leaving:
    """The queues of one virtual host that nobody finds any more, and that are not ended yet."""

    __slots__ = ("_end", "_is_under_way", "_scheduler", "_waiting")

    def __init__(self, scheduler: Scheduler, end: Callable[[Queue], object]) -> None:
        """``end`` ends one."""
        self._scheduler = scheduler
        self._end = end
        # By their names, the one that has waited longest first.
        self._waiting: dict[str, Queue] = {}
        self._is_under_way = False

    def __len__(self) -> int:
        return len(self._waiting)

    def __iter__(self) -> Iterator[Queue]:
        return iter(list(self._waiting.values()))

    def add(self, queues: Iterable[Queue]) -> None:
        """End these, some now and others in the next turns."""
        for queue in queues:
            self._waiting[queue.name] = queue
        if not self._is_under_way:
            self._step()

    def end(self, name: str) -> None:
        """End the one that had this name, if any, now: another is to have it."""
        queue = self._waiting.pop(name, None)
        if queue is not None:
            self._scheduler.faults.attempt(self._end, queue)

    def end_next(self) -> None:
        """End one, if there is any."""
        self.end(next(iter(self._waiting), ""))

    def _step(self) -> None:
        clock = self._scheduler.clock
        until = clock.monotonic() + SLICE_SECONDS
        while self._waiting:
            self.end_next()
            if self._waiting and clock.monotonic() >= until:
                self._is_under_way = True
                self._scheduler.timetable.after(PAUSE_SECONDS, self._step)
                return
        self._is_under_way = False
