"""Waits until the changes of a request are in effect, and on the disk."""

from __future__ import annotations

import asyncio

from batonmq.broker import Broker
from batonmq.broker.vhosts.policies import Policies
from batonmq.errors import StoreError

__all__ = ["applied", "kept"]


async def kept(broker: Broker) -> None:
    """Return when all changes so far are on the disk. Raises StoreError if they could not be kept."""
    waiter = _Waiter(broker, asyncio.get_running_loop().create_future())
    broker.commits.wait(waiter)
    broker.on_work()
    await waiter.future


async def applied(policies: Policies) -> None:
    """Return when all changes of policies so far are in effect."""
    done = asyncio.Event()
    policies.when_applied(done.set)
    await done.wait()


class _Waiter:
    """Waits, commit by commit, for the batch that was open at its creation."""

    __slots__ = ("_batch", "_broker", "future")

    def __init__(self, broker: Broker, future: asyncio.Future[None]) -> None:
        self._broker = broker
        self._batch = broker.store.batch
        self.future = future

    def batch_committed(self, batch: int) -> None:
        """All batches up to this number are durable."""
        if batch < self._batch:
            self._broker.commits.wait(self)
        elif not self.future.done():
            self.future.set_result(None)

    def batch_failed(self, batch: int, error: StoreError) -> None:
        """The batches up to this number that were not committed before are not kept."""
        if batch < self._batch:
            self._broker.commits.wait(self)
        elif not self.future.done():
            self.future.set_exception(error)
