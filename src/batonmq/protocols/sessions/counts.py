"""How many messages went over one connection, for whoever wants to show it."""

from __future__ import annotations


class MessageCounts:
    """Messages since the connection began. They only go up, and are counted by the batch where there are batches."""

    __slots__ = (
        "accepted",
        "confirmed",
        "delivered",
        "published",
        "redelivered",
        "refused",
        "rejected",
        "requeued",
        "unroutable",
    )

    def __init__(self) -> None:
        self.published = 0
        """Taken from the client, whatever became of them."""
        self.confirmed = 0
        """Of these, those that the client was told are safe: publisher confirms, receipts."""
        self.refused = 0
        """Of these, those that it was told are not: the store, or a full queue, did not take them."""
        self.unroutable = 0
        """Of these, those that came back to it as no queue wanted them."""
        self.delivered = 0
        """Handed to the client, whether it asked for them one by one or not."""
        self.redelivered = 0
        """Of these, those that had been delivered to somebody before."""
        self.accepted = 0
        """Settled by the client as done with. Deliveries that need no acknowledgement are not counted."""
        self.requeued = 0
        """Given back to their queues, by the client or because it went."""
        self.rejected = 0
        """Settled as unwanted."""

    def listed(self) -> dict[str, int]:
        """Each counter by its name."""
        return {name: getattr(self, name) for name in self.__slots__}

    def add_published(self, count: int) -> None:
        """So many more were published."""
        self.published += count

    def add_confirmed(self, count: int) -> None:
        """So many more were confirmed."""
        self.confirmed += count

    def add_refused(self, count: int) -> None:
        """So many more were refused."""
        self.refused += count

    def add_unroutable(self) -> None:
        """One more came back to its publisher."""
        self.unroutable += 1

    def add_delivered(self, count: int, redelivered: int) -> None:
        """So many more were delivered, so many of them once more."""
        self.delivered += count
        self.redelivered += redelivered

    def add_accepted(self, count: int) -> None:
        """So many more were accepted."""
        self.accepted += count

    def add_requeued(self, count: int) -> None:
        """So many more were given back."""
        self.requeued += count

    def add_rejected(self, count: int) -> None:
        """So many more were rejected."""
        self.rejected += count
