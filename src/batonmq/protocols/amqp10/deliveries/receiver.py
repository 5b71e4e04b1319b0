"""The default outcome of a client's receiver, for deliveries that it does not decide on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batonmq.broker import Consumer

if TYPE_CHECKING:
    from batonmq.protocols.amqp10.codec.performatives import Outcome


class Receiver(Consumer):
    """A consumer with a default outcome (part 3 §3.5.3)."""

    __slots__ = ("default_outcome", "is_over")

    default_outcome: Outcome | None
    """The outcome of a delivery that is settled without one; None: the client named none."""
    is_over: bool
    """Has its link ended, so that the client can no longer decide on its deliveries?"""
