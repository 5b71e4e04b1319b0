"""The queue, as its lanes see it."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING

from batonmq.broker.model.consumer import Source

if TYPE_CHECKING:
    from batonmq.queued import QueuedMessage
    from batonmq.store.records import StoredMessage


class LaneOwner(Source):
    """The queue, as its lanes see it."""

    __slots__ = ()

    @abstractmethod
    def paged_out(self, queued: QueuedMessage) -> None:
        """A message was paged out: watch its time to live, and remember transient ones for the next start."""

    @abstractmethod
    def paged_in(self, queued: QueuedMessage) -> None:
        """A message that expires or has headers is in memory again: watch its time to live, and look at its group."""

    @abstractmethod
    def revive(self, stored: StoredMessage) -> QueuedMessage:
        """Make the message again that was read from the store."""
