"""The unsettled deliveries of a queue's link, by delivery-id; after a reconnect, those of the next link."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batonmq.engines.leases import lost_by_transaction

if TYPE_CHECKING:
    from collections.abc import KeysView

    from batonmq.engines.amqp10.client.receiver import Receiver
    from batonmq.engines.prefetched import Handle
    from batonmq.engines.values import Incoming

__all__ = ["OpenDeliveries"]


class OpenDeliveries:
    """The deliveries of the link that is attached now. Only the connection's thread writes here."""

    __slots__ = ("_being_copied", "_in_transaction", "_late", "_payloads", "generation", "receiver")

    def __init__(self) -> None:
        self.receiver: Receiver | None = None
        """The link; None: there is none now."""
        self.generation = 0
        """Identifies the link of a delivery-id, as these start over on each connection."""
        # The received sections if the product needs them; b"" otherwise.
        self._payloads: dict[int, bytes] = {}
        # Deliveries that the broker has taken back, and that the application has not let go of yet.
        self._late: set[int] = set()
        # Deliveries in a transaction: its outcome decides about them.
        self._in_transaction: set[int] = set()
        # Deliveries being replaced by a copy: undecided until the copy's transaction is over.
        self._being_copied: set[int] = set()

    def attach(self, receiver: Receiver) -> None:
        """Start over with a new link."""
        self.receiver = receiver
        self.generation += 1

    def detach(self) -> None:
        """The link is gone, and its deliveries went back with it."""
        self.receiver = None
        self.generation += 1
        self._payloads.clear()
        self._late.clear()
        self._in_transaction.clear()
        self._being_copied.clear()

    # ------------------------------------------------------------------ deliveries

    @property
    def ids(self) -> KeysView[int]:
        """The delivery-ids of open deliveries."""
        return self._payloads.keys()

    def add(self, delivery_id: int, payload: bytes) -> None:
        """Add a delivery; ``payload``: its sections, from which a copy may be made."""
        self._payloads[delivery_id] = payload

    def remove(self, delivery_id: int) -> None:
        """Remove a delivery: it is settled, or the broker has taken it back."""
        self._payloads.pop(delivery_id, None)

    @property
    def occupied(self) -> int:
        """How many deliveries the application holds, those that were taken back among them."""
        return len(self._payloads) + len(self._late)

    def taken_back(self, delivery_id: int) -> None:
        """The broker has taken back a delivery that the application holds, and may still be at work on."""
        self._late.add(delivery_id)

    def let_go(self, handle: Handle) -> bool:
        """The application is done with a delivery; was it one that was taken back, so that there is room now?"""
        if handle[0] != self.generation or handle[1] not in self._late:
            return False
        self._late.discard(handle[1])
        return True

    def clear(self) -> None:
        """Remove all deliveries: they were settled."""
        self._payloads.clear()

    def payload(self, delivery_id: int) -> bytes:
        """The received sections, if the product wants them kept."""
        return self._payloads[delivery_id]

    def has(self, handle: Handle) -> bool:
        """Is it an open delivery of the current link?"""
        return handle[0] == self.generation and self.receiver is not None and handle[1] in self._payloads

    def find(self, incoming: Incoming) -> tuple[Receiver, int] | None:
        """The link of a delivery and its id there; None: it is not open any more."""
        handle = incoming.handle
        assert isinstance(handle, tuple)
        receiver = self.receiver
        if receiver is None or not self.has(handle):
            return None
        return receiver, handle[1]

    def require(self, incoming: Incoming) -> tuple[Receiver, int]:
        """The link and the id of a delivery, for a transaction. Raises LeaseLost."""
        found = self.find(incoming)
        if found is None:
            raise lost_by_transaction()
        return found

    # ------------------------------------------------------------------ undecided ones

    @property
    def has_undecided(self) -> bool:
        """Is any delivery in an open transaction?"""
        return bool(self._being_copied or self._in_transaction)

    def begin_transaction(self, delivery_id: int) -> None:
        """Mark a delivery as decided by a transaction."""
        self._in_transaction.add(delivery_id)

    def end_transaction(self, delivery_id: int) -> None:
        """The transaction is over."""
        self._in_transaction.discard(delivery_id)

    def is_in_transaction(self, delivery_id: int) -> bool:
        """Does a transaction decide on it?"""
        return delivery_id in self._in_transaction

    def begin_copy(self, delivery_id: int) -> None:
        """Mark a delivery as being replaced by a copy."""
        self._being_copied.add(delivery_id)

    def end_copy(self, incoming: Incoming) -> None:
        """The copy was sent, or refused."""
        handle = incoming.handle
        assert isinstance(handle, tuple)
        if handle[0] == self.generation:
            self._being_copied.discard(handle[1])
