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
        """A message was paged out: watch its time to live, and remember that there are transient ones."""

    @abstractmethod
    def paged_in(self, queued: QueuedMessage) -> None:
        """A message with a time to live or headers was read back: watch its time to live, and check its group."""

    @abstractmethod
    def revive(self, stored: StoredMessage) -> QueuedMessage:
        """Create the message from a row of the store."""
