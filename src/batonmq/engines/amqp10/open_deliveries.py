"""What a queue's link has delivered and nobody has settled, by delivery-id: those of one link after the other."""

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

    __slots__ = ("_being_copied", "_in_transaction", "_payloads", "generation", "receiver")

    def __init__(self) -> None:
        self.receiver: Receiver | None = None
        """The link; None: there is none now."""
        self.generation = 0
        """Tells which link a delivery-id belongs to: they count anew on each connection."""
        # The message as it came if the product needs it; b"" otherwise.
        self._payloads: dict[int, bytes] = {}
        # The broker's word on these is what the transaction comes to.
        self._in_transaction: set[int] = set()
        # Their fate is not known before the copy's transaction is over.
        self._being_copied: set[int] = set()

    def attach(self, receiver: Receiver) -> None:
        """Begin with a new link."""
        self.receiver = receiver
        self.generation += 1

    def detach(self) -> None:
        """The link is gone, and all that it delivered went back with it."""
        self.receiver = None
        self.generation += 1
        self._payloads.clear()
        self._in_transaction.clear()
        self._being_copied.clear()

    # ------------------------------------------------------------------ deliveries

    @property
    def ids(self) -> KeysView[int]:
        """The delivery-ids of those that are open."""
        return self._payloads.keys()

    def add(self, delivery_id: int, payload: bytes) -> None:
        """A message was delivered; ``payload``: what a copy of it may be made of."""
        self._payloads[delivery_id] = payload

    def remove(self, delivery_id: int) -> None:
        """It is settled, or the broker has taken it back."""
        self._payloads.pop(delivery_id, None)

    def clear(self) -> None:
        """All were settled."""
        self._payloads.clear()

    def payload(self, delivery_id: int) -> bytes:
        """The message as it came, where the product asked for that to be kept."""
        return self._payloads[delivery_id]

    def has(self, handle: Handle) -> bool:
        """Is it of the present link, and open?"""
        return handle[0] == self.generation and self.receiver is not None and handle[1] in self._payloads

    def find(self, incoming: Incoming) -> tuple[Receiver, int] | None:
        """The link that a message came on and its id there; None: it is not open any more."""
        handle = incoming.handle
        assert isinstance(handle, tuple)
        receiver = self.receiver
        if receiver is None or not self.has(handle):
            return None
        return receiver, handle[1]

    def require(self, incoming: Incoming) -> tuple[Receiver, int]:
        """The link and the id of a message for a transaction. Raises LeaseLost."""
        found = self.find(incoming)
        if found is None:
            raise lost_by_transaction()
        return found

    # ------------------------------------------------------------------ undecided ones

    @property
    def has_undecided(self) -> bool:
        """Is one of them in the middle of a transaction?"""
        return bool(self._being_copied or self._in_transaction)

    def begin_transaction(self, delivery_id: int) -> None:
        """A transaction decides on it."""
        self._in_transaction.add(delivery_id)

    def end_transaction(self, delivery_id: int) -> None:
        """The transaction is over."""
        self._in_transaction.discard(delivery_id)

    def is_in_transaction(self, delivery_id: int) -> bool:
        """Does a transaction decide on it?"""
        return delivery_id in self._in_transaction

    def begin_copy(self, delivery_id: int) -> None:
        """A copy is sent in its place."""
        self._being_copied.add(delivery_id)

    def end_copy(self, incoming: Incoming) -> None:
        """The copy was sent, or was not taken."""
        handle = incoming.handle
        assert isinstance(handle, tuple)
        if handle[0] == self.generation:
            self._being_copied.discard(handle[1])
