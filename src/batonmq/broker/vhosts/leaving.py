"""Deletes queues with their connection, possibly thousands: their names are free at once, the rest takes some turns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from batonmq.broker.model.scheduler import Scheduler
    from batonmq.broker.queues.queue import Queue

# The time for this in one turn, in seconds; each queue takes about 80 us, and 20 more per binding. A few are done at
# once.
SLICE_SECONDS: Final = 0.002
# How long until it continues, in seconds: the next turn has begun by then.
PAUSE_SECONDS: Final = 0.001


class Leaving:
    """The queues of one virtual host that cannot be found any more, but still have to be deleted."""

    __slots__ = ("_end", "_is_under_way", "_scheduler", "_waiting")

    def __init__(self, scheduler: Scheduler, end: Callable[[Queue], object]) -> None:
        """``end`` deletes one."""
        self._scheduler = scheduler
        self._end = end
        # By name, oldest first.
        self._waiting: dict[str, Queue] = {}
        self._is_under_way = False

    def __len__(self) -> int:
        return len(self._waiting)

    def __iter__(self) -> Iterator[Queue]:
        return iter(list(self._waiting.values()))

    def add(self, queues: Iterable[Queue]) -> None:
        """Delete these, some now and others in the next turns."""
        for queue in queues:
            self._waiting[queue.name] = queue
        if not self._is_under_way:
            self._step()

    def end(self, name: str) -> None:
        """Delete the one that had this name, if any, now: another one takes the name."""
        queue = self._waiting.pop(name, None)
        if queue is not None:
            self._scheduler.faults.attempt(self._end, queue)

    def end_next(self) -> None:
        """Delete one, if there is any."""
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
