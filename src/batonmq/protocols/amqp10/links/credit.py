"""The credit of a link over which the client receives (part 2 §2.6.7)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batonmq.protocols.amqp10 import conditions
from batonmq.protocols.amqp10.deliveries.serial import MASK, distance
from batonmq.protocols.amqp10.failures import LinkFailure

if TYPE_CHECKING:
    from batonmq.protocols.amqp10.codec.performatives import Flow
    from batonmq.protocols.amqp10.deliveries.windows import Windows


class Credit:
    """How many more messages the client takes, by the specification's names."""

    __slots__ = ("_handle", "_windows", "delivery_count", "drain", "left")

    def __init__(self, handle: int, windows: Windows) -> None:
        """``handle`` is ours."""
        self._handle = handle
        self._windows = windows
        self.delivery_count = 0
        self.left = 0
        """Messages that may still go."""
        self.drain = False
        """Does the client want what is there now, and no more?"""

    def flowed(self, flow: Flow) -> None:
        """The client's flow. Raises LinkFailure."""
        if flow.link_credit is not None:
            # What the client has not seen yet counts towards what it asks for.
            seen = flow.delivery_count if flow.delivery_count is not None else 0
            ahead = distance(seen, self.delivery_count)
            if ahead < 0:
                text = f"delivery-count {seen} is of a delivery that was not sent"
                raise LinkFailure(conditions.INVALID_FIELD, text, {"invalid-field": "delivery-count"})
            self.left = max(flow.link_credit - ahead, 0)
        self.drain = bool(flow.drain)

    def take(self, count: int) -> None:
        """That many messages go."""
        self.left -= count
        self.delivery_count = self.delivery_count + count & MASK

    def end_drain(self, available: int) -> None:
        """There is nothing more for what is left of it: say so, once."""
        self.take(self.left)
        self.say(available)
        self.drain = False

    def stop(self) -> None:
        """The link ends."""
        self.left = 0

    def say(self, available: int, late: int = 0) -> None:
        """Our flow for the link; ``available`` is how many messages wait, ``late`` how many that went are yet to go.

        A client counts the latter when they come.
        """
        count = self.delivery_count - late & MASK
        self._windows.say_flow(self._handle, count, self.left + late, min(available, MASK), drain=self.drain)
