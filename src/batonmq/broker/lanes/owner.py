"""The queue, as its lanes see it."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING

from batonmq.broker.model.consumer import Source

if TYPE_CHECKING:
    from batonmq.message import QueuedMessage
    from batonmq.store.records import StoredMessage


class LaneOwner(Source):
    """The queue, as its lanes see it."""

    __slots__ = ()

    @abstractmethod
    def paged_out(self, queued: QueuedMessage) -> None:
        """A message is only in the store from now on: see that it expires, and that a transient one is swept away."""

    @abstractmethod
    def paged_in(self, queued: QueuedMessage) -> None:
        """A message that expires, or has headers, is at hand again: see that it expires, and look for its group."""

    @abstractmethod
    def revive(self, stored: StoredMessage) -> QueuedMessage:
        """What was read from the store, as it was before."""
