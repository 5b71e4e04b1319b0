"""Messages that some consumers must not get again, while they subscribe (AMQP 1.0 §3.4.5 "undeliverable-here")."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batonmq.queued import GONE

if TYPE_CHECKING:
    from collections.abc import Callable

    from batonmq.broker.model.consumer import Consumer
    from batonmq.queued import QueuedMessage

# This many refusals are noted before obsolete ones are removed.
NOTED_MAX = 1_024


class Refusals:
    """The refusals of one queue, by row; no more than the queue and its consumers have messages."""

    __slots__ = ("_held", "_most", "_refused")

    def __init__(self) -> None:
        self._refused: dict[int, set[Consumer]] = {}
        # Of these, the rows that another consumer holds.
        self._held: dict[int, QueuedMessage] = {}
        self._most = NOTED_MAX

    def __bool__(self) -> bool:
        return bool(self._refused)

    def note(self, row: int, consumer: Consumer, is_there: Callable[[int], bool]) -> None:
        """Note that the consumer must not get the message of that row again. ``is_there``: may it be ready?"""
        if len(self._refused) >= self._most:
            self._clean(is_there)
        self._refused.setdefault(row, set()).add(consumer)

    def is_refused(self, row: int, consumer: Consumer | None) -> bool:
        """Must this consumer not get the message of that row?"""
        refused = self._refused.get(row)
        return refused is not None and consumer in refused

    def handed_out(self, queued: QueuedMessage) -> None:
        """Another consumer holds the message of that row, and may settle it."""
        if queued.row in self._refused:
            self._held[queued.row] = queued

    def came_back(self, row: int) -> None:
        """The message of that row is ready again."""
        self._held.pop(row, None)

    def forget(self, consumer: Consumer) -> None:
        """Forget a consumer that has left."""
        for refused in self._refused.values():
            refused.discard(consumer)
        self._refused = {row: refused for row, refused in self._refused.items() if refused}
        self._held = {row: queued for row, queued in self._held.items() if row in self._refused}

    def _clean(self, is_there: Callable[[int], bool]) -> None:
        """Forget messages that have left the queue."""
        held = self._held = {row: queued for row, queued in self._held.items() if queued.state != GONE}
        self._refused = {row: refused for row, refused in self._refused.items() if row in held or is_there(row)}
        self._most = 2 * len(self._refused) + NOTED_MAX
