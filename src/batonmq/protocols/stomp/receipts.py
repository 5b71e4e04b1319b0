"""RECEIPT frames: of what is durable when the store has it, of all else at once (STOMP 1.2 "RECEIPT")."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from batonmq.protocols.stomp.failures import StompFailure
from batonmq.protocols.stomp.messages import receipt_frame

if TYPE_CHECKING:
    from batonmq.errors import StoreError
    from batonmq.protocols.stomp.session import StompSession

__all__ = ["Receipts"]


class Receipts:
    """What a session's client waits for."""

    __slots__ = ("_session", "_stored_batch", "_waiting")

    def __init__(self, session: StompSession) -> None:
        self._session = session
        # The batch of the store that each waits for, and the receipt; the eldest first.
        self._waiting: deque[tuple[int, str]] = deque()
        # The last batch that a message of this client is in, receipt or not; 0: none.
        self._stored_batch = 0

    @property
    def are_owed(self) -> bool:
        """Does anything of this client's wait for the store?"""
        return self._stored_batch > 0

    def answer(self, receipt: str | None) -> None:
        """It is done."""
        if receipt is not None:
            self._session.send(receipt_frame(receipt, self._session.version))

    def answer_stored(self, receipt: str | None) -> None:
        """It is done, and what it changed is on its way to the disk."""
        if receipt is None:
            return
        if self._session.broker.store.has_work():
            self.answer_after([receipt])
        else:
            self.answer(receipt)

    def answer_after(self, receipts: list[str]) -> None:
        """When what was collected so far is on the disk."""
        session = self._session
        batch = self._stored_batch = session.broker.store.batch
        self._waiting += [(batch, receipt) for receipt in receipts]
        session.gate.await_commit()

    def batch_committed(self, batch: int) -> None:
        """Everything up to this batch is on the disk."""
        session = self._session
        waiting = self._waiting
        version = session.version
        if waiting and waiting[0][0] <= batch:
            frames = []
            while waiting and waiting[0][0] <= batch:
                frames.append(receipt_frame(waiting.popleft()[1], version))
            session.send(b"".join(frames))
        self._look_further(batch)

    def batch_failed(self, batch: int, error: StoreError) -> None:
        """Nothing of what waits for these batches is kept: the client has to send it again."""
        lost = [receipt for needed, receipt in self._waiting if needed <= batch]
        had_messages = self._stored_batch > 0
        self._waiting = deque(entry for entry in self._waiting if entry[0] > batch)
        self._look_further(batch)
        if had_messages:
            failure = StompFailure("Store failure", f"it could not be kept: {error.reason}", fatal=True)
            self._session.fail(failure, lost[0] if lost else None)

    def _look_further(self, batch: int) -> None:
        if self._stored_batch > batch:
            self._session.gate.await_commit()
        else:
            self._stored_batch = 0
