"""What a client's receiver says about the deliveries that it does not decide on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batonmq.broker import Consumer

if TYPE_CHECKING:
    from batonmq.protocols.amqp10.codec.performatives import Outcome


class Receiver(Consumer):
    """A consumer with a default outcome (part 3 §3.5.3)."""

    __slots__ = ("default_outcome", "is_over")

    default_outcome: Outcome | None
    """What becomes of a delivery that is settled without an outcome; None: the client said nothing of that."""
    is_over: bool
    """Has its link ended, so that nobody can say any more what becomes of its deliveries?"""
