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

    __slots__ = ("_faults", "_store", "_urgent", "_wake", "waiters")

    def __init__(self, store: Store, faults: Faults, wake: Callable[[], None]) -> None:
        """``wake`` requests the end of a turn, in which ``look`` is called."""
        self._store = store
        self._faults = faults
        self._wake = wake
        # The last batch for which somebody waits who wants it on the disk, whatever becomes of its messages.
        self._urgent = 0
        store.on_settled(wake)
        self.waiters: dict[CommitWaiter, None] = {}
        """The waiters, in order."""

    def wait(self, waiter: CommitWaiter, *, sync: bool = True, patient: bool = False) -> None:
        """Add a waiter for the next commit; without ``sync`` the batch need only survive the end of the process.

        ``patient``: a publisher, whose messages need not be written if consumers settle them before that.
        """
        self.waiters[waiter] = None
        if not patient:
            self.hurry(sync=sync)
        if not self._store.busy and not self._store.has_work():
            self._wake()

    def hurry(self, *, sync: bool = True) -> None:
        """Somebody waits for this batch, whatever becomes of its messages, which reach the disk by themselves."""
        self._urgent = self._store.batch
        if sync:
            self._store.must_reach_disk()

    @property
    def is_patient(self) -> bool:
        """Do all wait only for messages of theirs, which need not be written if they are settled before?"""
        return self._urgent <= self._store.committed

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
        """Tell the waiters for batches that became empty, as all of them was settled before it was written."""
        store = self._store
        settled = store.take_settled() if self._urgent <= store.committed else 0
        if self.waiters and not store.has_work():
            self.committed(store.batch)
        elif settled:
            self.committed(settled)
