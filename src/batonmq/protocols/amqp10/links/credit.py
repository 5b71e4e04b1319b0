"""The credit of a link over which the client receives (part 2 §2.6.7)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batonmq.protocols.amqp10 import conditions
from batonmq.protocols.amqp10.deliveries.serial import MASK, distance
from batonmq.protocols.amqp10.failures import LinkFailure

if TYPE_CHECKING:
    from batonmq.protocols.amqp10.codec.composites import Fields
    from batonmq.protocols.amqp10.codec.performatives import Flow
    from batonmq.protocols.amqp10.deliveries.windows import Windows


class Credit:
    """How many more messages the client accepts, with the specification's names."""

    __slots__ = ("_handle", "_windows", "delivery_count", "drain", "left")

    def __init__(self, handle: int, windows: Windows) -> None:
        """``handle`` is ours."""
        self._handle = handle
        self._windows = windows
        self.delivery_count = 0
        self.left = 0
        """How many messages may still be sent."""
        self.drain = False
        """Does the client want only the messages available now?"""

    def flowed(self, flow: Flow) -> None:
        """The client's flow. Raises LinkFailure."""
        if flow.link_credit is not None:
            # Messages that the client has not seen yet count towards its credit.
            seen = flow.delivery_count if flow.delivery_count is not None else 0
            ahead = distance(seen, self.delivery_count)
            if ahead < 0:
                text = f"delivery-count {seen} is of a delivery that was not sent"
                raise LinkFailure(conditions.INVALID_FIELD, text, {"invalid-field": "delivery-count"})
            self.left = max(flow.link_credit - ahead, 0)
        self.drain = bool(flow.drain)

    def take(self, count: int) -> None:
        """Use credit for that many messages."""
        self.left -= count
        self.delivery_count = self.delivery_count + count & MASK

    def end_drain(self, available: int) -> None:
        """Give up the rest of the credit, as there are no messages for it, and tell the client."""
        self.take(self.left)
        self.say(available)
        self.drain = False

    def stop(self) -> None:
        """Send nothing more: the link ends."""
        self.left = 0

    def say(self, available: int, late: int = 0, properties: Fields | None = None) -> None:
        """Send our flow for the link; ``available`` is how many messages wait in the queue.

        ``late`` is how many used credit, but still wait for the session's window: the client counts them on arrival.
        """
        count = self.delivery_count - late & MASK
        self._windows.say_flow(
            self._handle, count, self.left + late, min(available, MASK), drain=self.drain, properties=properties
        )
