"""Purges selected messages, and moves messages to another queue."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batonmq.broker.model.outcomes import REFUSED, STORED
from batonmq.broker.operations.sweep import Sweep
from batonmq.broker.queues.enqueue import move_in

if TYPE_CHECKING:
    from collections.abc import Callable

    from batonmq.broker.model.consumer import Selector
    from batonmq.broker.queues.queue import Queue
    from batonmq.message import Message


class Purge(Sweep):
    """Drops the selected messages."""

    def take_over(self, message: Message) -> int:
        return STORED

    def taken(self, count: int) -> None:
        self.queue.has_purged(count)


class Move(Sweep):
    """Moves messages, unchanged, to the tail of another queue."""

    verb = "move"

    def __init__(
        self,
        queue: Queue,
        target: Queue,
        most: int | None,
        selector: Selector | None,
        done: Callable[[Sweep], None],
        *,
        user: str = "",
    ) -> None:
        super().__init__(queue, most, selector, done, to=target.name, user=user)
        self._target = target

    def take_over(self, message: Message) -> int:
        return put(self._target, message)


def put(target: Queue, message: Message) -> int:
    """Put a message into another queue, if that has room once its consumers were served; returns the outcome."""
    return move_in(target, message) if target.has_room_for(message.weight) else REFUSED
