"""Waiting for the store to commit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from batonmq.broker.model.faults import Faults
    from batonmq.errors import StoreError
    from batonmq.store.interface import Store


class CommitWaiter(Protocol):
    """Waits until a batch of the store is on the disk."""

    def batch_committed(self, batch: int) -> None:
        """All batches up to this number are durable."""
        ...

    def batch_failed(self, batch: int, error: StoreError) -> None:
        """The batches up to this number that were not committed before are not kept; their messages are gone."""
        ...


class Commits:
    """The waiters for the next commit. Each is told once; to wait for a later commit it asks again."""

    __slots__ = ("_faults", "_store", "_wake", "waiters")

    def __init__(self, store: Store, faults: Faults, wake: Callable[[], None]) -> None:
        """``wake`` has a turn end soon, and ``look`` called in it."""
        self._store = store
        self._faults = faults
        self._wake = wake
        self.waiters: dict[CommitWaiter, None] = {}
        """Who is to be told, in the order in which they came."""

    def wait(self, waiter: CommitWaiter, *, sync: bool = True) -> None:
        """Have the waiter told of the next commit; without ``sync`` it need only survive the end of the process."""
        self.waiters[waiter] = None
        if sync:
            self._store.must_reach_disk()
        if not self._store.busy and not self._store.has_work():
            self._wake()

    def committed(self, batch: int) -> None:
        """All batches up to this number are durable."""
        waiters, self.waiters = self.waiters, {}
        for waiter in waiters:
            self._faults.attempt(waiter.batch_committed, batch)

    def failed(self, batch: int, error: StoreError) -> None:
        """The batches up to this number that were not committed before are not kept."""
        waiters, self.waiters = self.waiters, {}
        for waiter in waiters:
            self._faults.attempt(waiter.batch_failed, batch, error)

    def look(self) -> None:
        """Tell those who wait for a batch in which nothing is left, as all of it was settled before it was written."""
        if self.waiters and not self._store.has_work():
            self.committed(self._store.batch)
