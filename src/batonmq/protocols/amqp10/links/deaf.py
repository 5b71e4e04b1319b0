"""Queues that get no messages from their own connection: JMS's no-local."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from batonmq.broker.routing.exchanges.base import Target


class DeafQueues:
    """The deaf queues of one connection, with the number of links that ask for it."""

    __slots__ = ("_counts",)

    def __init__(self) -> None:
        self._counts: dict[Target, int] = {}

    def __bool__(self) -> bool:
        return bool(self._counts)

    def add(self, queue: Target) -> None:
        """One more link asks for it."""
        self._counts[queue] = self._counts.get(queue, 0) + 1

    def drop(self, queue: Target) -> None:
        """A link that asked for it has ended."""
        left = self._counts.get(queue, 0) - 1
        if left > 0:
            self._counts[queue] = left
        else:
            self._counts.pop(queue, None)

    def hearing(self, targets: Iterable[Target]) -> list[Target]:
        """The targets without deaf queues."""
        return [target for target in targets if target not in self._counts]
