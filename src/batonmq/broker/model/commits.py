"""Waiting for the store to commit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from batonmq.broker.model.faults import Faults
    from batonmq.errors import StoreError
    from batonmq.store.interface import Store


class CommitWaiter(Protocol):
    """Waits for a batch of the store to be on the disk."""

    def batch_committed(self, batch: int) -> None:
        """All batches up to this number are durable."""
        ...

    def batch_failed(self, batch: int, error: StoreError) -> None:
        """The batches up to this number that were not committed before are not kept; their messages are gone."""
        ...


class Commits:
    """The waiters for the next commit. Each is told once; to wait for a later commit it registers again."""

    __slots__ = ("_faults", "_store", "_wake", "waiters")

    def __init__(self, store: Store, faults: Faults, wake: Callable[[], None]) -> None:
        """``wake`` requests the end of a turn, in which ``look`` is called."""
        self._store = store
        self._faults = faults
        self._wake = wake
        self.waiters: dict[CommitWaiter, None] = {}
        """The waiters, in order."""

    def wait(self, waiter: CommitWaiter, *, sync: bool = True) -> None:
        """Add a waiter for the next commit; without ``sync`` the batch need only survive the end of the process."""
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
        """Tell the waiters for a batch that became empty, as all of it was settled before it was written."""
        if self.waiters and not self._store.has_work():
            self.committed(self._store.batch)
