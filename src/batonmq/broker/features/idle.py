"""x-expires: a queue that nobody has used for a while is deleted."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from batonmq.broker.lanes.state import QueueState
    from batonmq.broker.model.timetable import Timer


class IdleTimer:
    """Watches one queue. Used means: it has consumers, or was declared again or asked for a message."""

    __slots__ = ("_remove", "_timer", "queue")

    def __init__(self, queue: QueueState, remove: Callable[[], object]) -> None:
        """``remove`` deletes the queue."""
        self.queue = queue
        self._remove = remove
        self._timer: Timer | None = None
        queue.used()
        self._look_again(queue.settings.expires)

    def stop(self) -> None:
        """Stop watching."""
        if self._timer is not None:
            self._timer.cancel()

    def _look_again(self, milliseconds: float | None) -> None:
        if milliseconds is not None:
            self._timer = self.queue.scheduler.timetable.after(milliseconds / 1000, self._look)

    def _look(self) -> None:
        queue = self.queue
        expires = queue.settings.expires
        if queue.deleted or expires is None:
            return
        idle = (queue.scheduler.clock.monotonic() - queue.last_used) * 1000
        if queue.consumers:
            self._look_again(expires)
        elif idle >= expires:
            self._remove()
        else:
            self._look_again(expires - idle)
