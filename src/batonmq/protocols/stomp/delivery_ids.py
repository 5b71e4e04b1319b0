"""The ids of deliveries on one connection: SESSION.SUBSCRIPTION.DELIVERY, as message-id and as ack."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["DeliveryIds"]

_ID: Final = re.compile(r"([^.]+)\.([0-9]{1,19})\.([0-9]{1,19})")


class DeliveryIds:
    """Numbers subscriptions, and the deliveries of all of them together; both begin with 1 and only go up."""

    __slots__ = ("_last_delivery", "_last_subscription", "session")

    def __init__(self, session: str) -> None:
        """``session`` begins each id, and has no dots."""
        self.session = session
        self._last_delivery = 0
        self._last_subscription = 0

    def new_subscription(self) -> int:
        """The next number of a subscription."""
        self._last_subscription += 1
        return self._last_subscription

    def prefix(self, subscription: int) -> str:
        """The part of a subscription's ids before the delivery's number."""
        return f"{self.session}.{subscription}."

    def reserve(self, count: int) -> int:
        """Reserve numbers for that many deliveries: those after the returned one."""
        last = self._last_delivery
        self._last_delivery = last + count
        return last

    def read(self, shown: str) -> tuple[int, int]:
        """The numbers of subscription and delivery in an id; zeros if this connection never issued it."""
        match = _ID.fullmatch(shown)
        if match is None or match[1] != self.session:
            return 0, 0
        return int(match[2]), int(match[3])
