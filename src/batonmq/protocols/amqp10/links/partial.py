"""A delivery in several transfers (part 2 §2.6.14)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batonmq.protocols.amqp10 import conditions
from batonmq.protocols.amqp10.failures import LinkFailure

# The memory of a piece besides its octets.
PIECE_OCTETS = 64

if TYPE_CHECKING:
    from batonmq.protocols.amqp10.codec.performatives import DeliveryState, Transfer
    from batonmq.protocols.sessions.quota import Quota


class Partial:
    """The transfers received of one delivery."""

    __slots__ = ("_pieces", "_quota", "_size", "_taken", "delivery_id", "is_settled", "state")

    def __init__(self, delivery_id: int, quota: Quota) -> None:
        """``quota`` is for all incomplete deliveries of the connection."""
        self.delivery_id = delivery_id
        self._quota = quota
        self._pieces: list[bytes] = []
        self._size = self._taken = 0
        self.is_settled = False
        """Was any of its transfers settled?"""
        self.state: DeliveryState | None = None

    def add(self, shape: Transfer, payload: bytes, most: int) -> None:
        """Add a transfer. Raises LinkFailure for more octets than ``most``, or than the quota allows."""
        if self._size + len(payload) > most:
            raise LinkFailure(conditions.MESSAGE_SIZE_EXCEEDED, f"the message is larger than {most} bytes")
        if shape.more or self._pieces:
            octets = len(payload) + PIECE_OCTETS
            if not self._quota.take(octets):
                text = "messages that are not complete take too much memory together"
                raise LinkFailure(conditions.RESOURCE_LIMIT_EXCEEDED, text)
            self._taken += octets
        self._size += len(payload)
        self._pieces.append(payload)
        if shape.settled:
            self.is_settled = True
        if shape.state is not None:
            self.state = shape.state

    def whole(self) -> bytes:
        """The whole message, after the last transfer."""
        return self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)

    def release(self) -> None:
        """Give its quota back: it is complete, or was dropped."""
        self._quota.give_back(self._taken)
        self._taken = 0
