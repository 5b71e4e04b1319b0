"""RECEIPT frames: for durable messages once the store has them, for others at once (STOMP 1.2 "RECEIPT")."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batonmq.protocols.sessions.unconfirmed import Unconfirmed
from batonmq.protocols.stomp.failures import StompFailure
from batonmq.protocols.stomp.messages import receipt_frame

if TYPE_CHECKING:
    from collections.abc import Sequence

    from batonmq.errors import StoreError
    from batonmq.protocols.sessions.link import Link
    from batonmq.protocols.stomp.parser import Event

__all__ = ["Receipts"]


class Receipts:
    """The receipts that one client waits for."""

    __slots__ = ("_barrier", "_counts", "_output", "_store", "_stored_batch", "_version", "_waiting")

    def __init__(self, link: Link[Event], version: str) -> None:
        self._output = link.output
        self._barrier = link.barrier
        self._counts = link.counts.direct
        self._store = link.broker.store
        self._version = version
        # Receipts, and the number of messages that each confirms.
        self._waiting: Unconfirmed[tuple[Sequence[str], int]] = Unconfirmed()
        # The last batch of the store that a message of this client is in, receipt or not; 0: none.
        self._stored_batch = 0

    @property
    def are_owed(self) -> bool:
        """Is anything of this client waiting for the store?"""
        return self._stored_batch > 0

    @property
    def waiting(self) -> int:
        """The number of messages whose receipt waits for the store."""
        return sum(messages for _, messages in self._waiting)

    def answer(self, *receipts: str | None, messages: int = 0) -> None:
        """Answer a frame now; None: it wants no receipt. ``messages``: the number that it confirms."""
        self._say([(receipts, messages)])

    def answer_stored(self, receipt: str | None) -> None:
        """Answer a frame whose change may be on its way to the disk, for which the receipt waits."""
        if receipt is None:
            return
        if self._store.has_work():
            self.answer_after([receipt])
        else:
            self.answer(receipt)

    def answer_after(self, receipts: Sequence[str], *, messages: int = 0, patient: bool = False) -> None:
        """Answer when all that was collected so far is on the disk.

        ``messages``: that many are confirmed by it. ``patient``: only messages are; see ``await_commit``.
        """
        batch = self._stored_batch = self._store.batch
        if receipts:
            self._waiting.add(batch, (receipts, messages))
        self._barrier.await_commit(patient=patient)

    def wait_for_all(self) -> None:
        """Owe the client all that was collected so far, even where it has no receipt for it."""
        if self._store.has_work() or self._store.is_unsynced:
            self.answer_after([])

    def batch_committed(self, batch: int) -> None:
        """Everything up to this batch is on the disk."""
        if self._waiting:
            self._say(self._waiting.take(batch))
        self._look_further(batch)

    def batch_failed(self, batch: int, error: StoreError) -> tuple[StompFailure, str | None] | None:
        """Messages in these batches are not kept: the client has to send them again.

        Returns the failure, with the receipt that it answers, if any; None: nothing of this client was lost.
        """
        lost = self._waiting.take(batch)
        had_messages = self._stored_batch > 0
        self._look_further(batch)
        if not had_messages:
            return None
        self._counts.add_refused(sum(messages for _, messages in lost))
        failure = StompFailure("Store failure", f"it could not be kept: {error.reason}", fatal=True)
        return failure, lost[0][0][0] if lost else None

    def _look_further(self, batch: int) -> None:
        if self._stored_batch > batch:
            # Whoever is in a hurry has said so.
            self._barrier.await_commit(patient=True)
        else:
            self._stored_batch = 0

    def _say(self, done: Sequence[tuple[Sequence[str | None], int]]) -> None:
        version = self._version
        frames = [receipt_frame(each, version) for receipts, _ in done for each in receipts if each is not None]
        if frames:
            self._output.send(b"".join(frames))
            self._counts.add_confirmed(sum(messages for _, messages in done))
