"""A store that keeps nothing: for tests, and for queues that need not outlive their process."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batonmq.store.interface import Store
from batonmq.store.records import Definition, Snapshot, StoredMessage, StoredRun
from batonmq.store.status import CommitTimes, StoreStatus

if TYPE_CHECKING:
    from collections.abc import Mapping

    from batonmq.errors import StoreError
    from batonmq.message import Message
    from batonmq.queued import QueuedMessage


class MemoryStore(Store):
    """Everything stays in the queues' own memory, whatever the backlog; a commit is done at once."""

    def __init__(self) -> None:
        super().__init__()
        self._work = False
        self._commit_times = CommitTimes()

    def open(self) -> Snapshot:
        return Snapshot([], [])

    def define(self, definition: Definition) -> None:
        self._work = True

    def forget(self, kind: str, vhost: str, name: str) -> None:
        self._work = True

    def add_lane(self, lane_id: int, vhost: str, queue: str, priority: int) -> None:
        self._work = True

    def drop_lane(self, lane_id: int) -> None:
        self._free_lanes.append(lane_id)
        self._work = True

    def drop_rows(self, first_row: int, last_row: int) -> None:
        self._work = True

    def insert(self, queued: QueuedMessage) -> None:
        self._work = True

    def delete(self, queued: QueuedMessage) -> None:
        self._work = True

    def is_pending(self, queued: QueuedMessage) -> bool:
        return True

    def undelete(self, queued: QueuedMessage) -> None:
        """Do nothing: no deletion fails here."""

    def insert_dependent(self, copy: Message, origin: QueuedMessage) -> None:
        """Do nothing: no batch fails here."""

    def drop_dependents(self, origin: QueuedMessage) -> list[QueuedMessage]:
        return []

    def update(self, queued: QueuedMessage) -> None:
        self._work = True

    def rewrite(self, queued: QueuedMessage) -> None:
        self._work = True

    def hold(self, queued: QueuedMessage) -> None:
        self._work = True

    def note_done(self, guest: int, number: int, outcome: int) -> None:
        self._work = True

    def forget_done(self, guest: int, last: int) -> None:
        """Do nothing: there are no outcomes."""

    def read_done(self) -> list[tuple[int, int, int]]:
        return []

    def note_serving(self) -> None:
        """Do nothing: there is no other opening."""

    def mark_handed(self, lane_id: int, position: int) -> None:
        self._work = True

    def drop_mark(self, lane_id: int) -> None:
        """Do nothing: there are no marks."""

    def note_handed(self, lane_id: int, position: int) -> bool:
        return True  # nothing outlives the process

    def insert_delayed(self, queued: QueuedMessage, due: int, return_row: int) -> None:
        self._work = True

    def move(self, queued: QueuedMessage, from_row: int, due: int = 0, return_row: int = 0) -> None:
        self._work = True

    def read_delayed(self, lane_id: int, after: tuple[int, int], most: int, most_bytes: int) -> StoredRun:
        return StoredRun()

    def insert_dedup_key(self, number: int, key: bytes, at: int) -> None:
        self._work = True

    def delete_dedup_keys(self, first: int, last: int) -> None:
        self._work = True

    def read_dedup_keys(self, lane_id: int) -> list[tuple[int, bytes, int]]:
        return []

    def share(self, message: Message) -> None:
        """Do nothing: bodies in memory are shared anyway."""

    def read(self, after_row: int, last_row: int, most: int, most_bytes: int) -> list[StoredMessage]:
        return []

    def read_run(self, after_row: int, last_row: int, most: int, most_bytes: int, *, committed: bool) -> StoredRun:
        return StoredRun()

    def expired(self, after_row: int, last_row: int, now: int, most: int) -> list[StoredMessage]:
        return []

    def next_expiry(self, after_row: int, last_row: int) -> int:
        return 0

    def status(self) -> StoreStatus:
        return StoreStatus(
            commits=self._commit_times.status(),
            batch=self.batch,
            committed=self.committed,
            is_committing=self.busy,
            pending=self.pending_bytes,
        )

    def has_work(self) -> bool:
        return self._work

    def stage(self) -> None:
        self._work = False
        self.staged = self.batch
        self.batch += 1

    def commit(self) -> None:
        """Do nothing: there is nothing to wait for."""
        self._commit_times.note(0.0)

    def finish(self, error: StoreError | None) -> list[QueuedMessage]:
        self.busy = False
        self.committed = self.staged
        return []

    def close(self, waiting: Mapping[int, tuple[int, int]] | None) -> None:
        self._work = False
