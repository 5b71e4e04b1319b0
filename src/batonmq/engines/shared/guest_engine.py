"""The engine that serves one other process, over the owner's core."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from batonmq.broker.queues.reclaiming import reclaim
from batonmq.engines.embedded.capabilities import CAPABILITIES
from batonmq.engines.embedded.engine import EmbeddedEngine, EmbeddedSubscription
from batonmq.engines.shared import commands
from batonmq.engines.shared.numbered import Numbered

if TYPE_CHECKING:
    from batonmq.engines.embedded.core import Core
    from batonmq.engines.futures import Future
    from batonmq.engines.shared.claims import Claims

__all__ = ["GuestEngine"]

T = TypeVar("T")


class GuestEngine(EmbeddedEngine):
    """Stores with each ``Once`` command that it is done, so that the next owner does not do it again."""

    def __init__(self, core: Core, claims: Claims) -> None:
        super().__init__(core, CAPABILITIES, lambda: None)
        self._queues.hold_new()
        self._claims = claims
        self._command: commands.Once | None = None
        self.guest = 0
        """The guest that is served; 0 while unknown."""

    def serve(self, guest: int) -> None:
        """Set the guest that is served."""
        self.guest = guest

    def begin(self, command: Numbered) -> None:
        """Set the command that is done next. Its outcome is kept if it must not be done twice."""
        self._command = command if isinstance(command, commands.Once) else None

    def _future(self, outcome: T, *, sync: bool = True) -> Future[T]:
        future = super()._future(outcome, sync=sync)
        command = self._command
        if command is not None:
            guest, claims, number = self.guest, self._claims, command.number
            claims.note(guest, number, outcome if isinstance(outcome, int) else 0, command.known)
            future.when_done(lambda: claims.failed(guest, number) if future.failed else None)
        return future

    def resume(self, subscribed: commands.Subscribed) -> EmbeddedSubscription:
        """Restore a subscription as it was with the former owner. In a turn. Raises NotFound, AccessRefused."""
        _, queue, prefetch, lease, last_tag = subscribed
        subscription = self._subscribe(queue, prefetch, lease)
        subscription.consumer.number_from(last_tag)
        return subscription

    def settle_for(self, settlement: commands.Settlement, openings: list[int]) -> bool:
        """Repeat a settlement of the guest, if the former owner did not store it. In a turn. Raises StoreError.

        False: the message is not available. The former owner did store the settlement, or others hold or held it.
        """
        _, name, row, count, how, reason, delay = settlement
        queue = self._queues.vhost.queues.get(name)
        if queue is None or not self._claims.is_good(queue, row, openings):
            return False
        queued = reclaim(queue, row, count, None)
        if queued is None:
            return False
        if how == "accept":
            queue.accept(queued)
        elif how == "release":
            queue.release([queued], None if delay is None else round(delay * 1000))
        else:
            queue.reject(queued, reason)
        return True

    def has_ready(self, settlement: commands.Settlement) -> bool:
        """Is the message of a settlement that could not be repeated ready in its queue, for others? In a turn."""
        queue = self._queues.vhost.queues.get(settlement[1])
        return queue is not None and any(lane.find(settlement[2]) is not None for lane in queue.lanes)
