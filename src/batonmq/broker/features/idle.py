"""x-expires: a queue that nobody has used for a while is deleted."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from batonmq.broker.model.timetable import Timer
    from batonmq.broker.queues.queue import Queue


class IdleTimer:
    """Watches one queue. Used means: it has consumers, or was declared again or asked for a message."""

    __slots__ = ("_queue", "_timer")

    def __init__(self, queue: Queue) -> None:
        self._queue = queue
        self._timer: Timer | None = None
        queue.last_used = queue.broker.clock.monotonic()
        self._look_again(queue.settings.expires)

    def stop(self) -> None:
        """Watch no more."""
        if self._timer is not None:
            self._timer.cancel()

    def _look_again(self, milliseconds: float | None) -> None:
        if milliseconds is not None:
            self._timer = self._queue.broker.timetable.after(milliseconds / 1000, self._look)

    def _look(self) -> None:
        queue = self._queue
        expires = queue.settings.expires
        if queue.deleted or expires is None:
            return
        idle = (queue.broker.clock.monotonic() - queue.last_used) * 1000
        if queue.consumers:
            self._look_again(expires)
        elif idle >= expires:
            queue.vhost.remove_queue(queue)
        else:
            self._look_again(expires - idle)
