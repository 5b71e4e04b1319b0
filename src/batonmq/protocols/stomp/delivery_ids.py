"""The ids of what one connection is sent: SESSION.SUBSCRIPTION.DELIVERY, as message-id and as ack."""

from __future__ import annotations

__all__ = ["DeliveryIds"]


class DeliveryIds:
    """Numbers subscriptions, and the deliveries of all of them together; both begin with 1 and only go up."""

    __slots__ = ("_last_delivery", "_last_subscription", "session")

    def __init__(self, session: str) -> None:
        """``session`` begins each id, and has no dots."""
        self.session = session
        self._last_delivery = 0
        self._last_subscription = 0

    def new_subscription(self) -> int:
        """The number of one more subscription."""
        self._last_subscription += 1
        return self._last_subscription

    def prefix(self, subscription: int) -> str:
        """What comes before the delivery's number in the ids of a subscription."""
        return f"{self.session}.{subscription}."

    def reserve(self, count: int) -> int:
        """Numbers for so many deliveries: those that follow the one returned."""
        last = self._last_delivery
        self._last_delivery = last + count
        return last

    def read(self, shown: str) -> tuple[int, int]:
        """The numbers of subscription and delivery in an id; zeros when this connection never gave it."""
        parts = shown.split(".")
        if len(parts) != 3 or parts[0] != self.session:
            return 0, 0
        if not all(part.isascii() and part.isdigit() and len(part) < 20 for part in parts[1:]):
            return 0, 0
        return int(parts[1]), int(parts[2])
