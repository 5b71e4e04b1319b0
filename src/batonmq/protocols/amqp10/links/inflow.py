"""The deliveries received over one link: under our credit, in one transfer or several (part 2 §2.6.14)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from batonmq.broker.model.channels import LinkStatus
from batonmq.protocols.amqp10 import conditions
from batonmq.protocols.amqp10.codec.performatives import Attach
from batonmq.protocols.amqp10.deliveries.serial import MASK
from batonmq.protocols.amqp10.failures import LinkFailure, SessionFailure
from batonmq.protocols.amqp10.links.partial import Partial
from batonmq.protocols.amqp10.links.settle_modes import settle_mode

if TYPE_CHECKING:
    from batonmq.protocols.amqp10.codec.composites import Fields
    from batonmq.protocols.amqp10.codec.performatives import AnyTarget, Source, Transfer
    from batonmq.protocols.amqp10.links.session_parts import SessionParts

# The credit that a client gets; it is renewed when half of it is used.
CREDIT: Final = 1_000

# The settle mode of a receiver that settles after its sender has (part 2 §2.8.3).
SECOND: Final = 1


class Inflow:
    """Our end of a link over which the client sends."""

    __slots__ = (
        "_attach",
        "_credit_max",
        "_delivery_count",
        "_handle",
        "_partial",
        "_parts",
        "credit",
        "is_settled_first",
    )

    def __init__(self, parts: SessionParts, handle: int, attach: Attach, credit: int = CREDIT) -> None:
        """``handle`` is ours. Raises LinkFailure."""
        if attach.initial_delivery_count is None:
            text = "a sender has to tell its initial-delivery-count"
            raise LinkFailure(conditions.INVALID_FIELD, text, {"invalid-field": "initial-delivery-count"})
        self._parts = parts
        self._handle = handle
        self._attach = attach
        self._credit_max = credit
        self._delivery_count: int = attach.initial_delivery_count
        self._partial: Partial | None = None
        self.credit = 0
        """How many more messages the client may send."""
        self.is_settled_first = attach.rcv_settle_mode != SECOND
        """Do we settle a delivery first? Otherwise the client settles it after our outcome."""

    @property
    def is_between(self) -> bool:
        """Is there no incomplete delivery?"""
        return self._partial is None

    def answer(self, source: Source | None, target: AnyTarget | None, properties: Fields | None = None) -> Attach:
        """Our attach, with the settle modes that the client requested."""
        attach = self._attach
        return Attach(
            name=attach.name,
            handle=self._handle,
            role=True,
            snd_settle_mode=attach.snd_settle_mode,
            rcv_settle_mode=attach.rcv_settle_mode,
            source=source,
            target=target,
            max_message_size=self._parts.connection.terms.settings.max_message_size,
            properties=properties,
        )

    def status(self, address: str | None) -> LinkStatus:
        """The state of the link; ``address`` is that of its target."""
        attach = self._attach
        return LinkStatus(
            handle=attach.handle,
            name=attach.name,
            address=address or "",
            credit=self.credit,
            delivery_count=self._delivery_count,
            max_message_size=self._parts.connection.terms.settings.max_message_size,
            settles=settle_mode(attach.snd_settle_mode),
        )

    # ------------------------------------------------------------------ transfers

    def add(self, shape: Transfer, delivery_id: int | None, tag: bytes | None, payload: bytes) -> Partial | None:
        """Add one transfer; returns the delivery if it is complete now. Call ``used`` after handling it.
        Raises LinkFailure, SessionFailure.
        """
        self._parts.windows.received(1)
        if shape.resume:
            # Our side of a link keeps nothing after its end that could be resumed (part 2 §2.6.13).
            raise LinkFailure(conditions.NOT_IMPLEMENTED, "a transfer resumes a delivery, which is not supported")
        partial = self._partial
        if partial is None:
            if delivery_id is None or tag is None:
                text = "the first transfer of a delivery needs a delivery-id and a delivery-tag"
                raise SessionFailure(conditions.INVALID_FIELD, text, {"invalid-field": "delivery-id"})
            if not self.credit:
                raise LinkFailure(conditions.TRANSFER_LIMIT_EXCEEDED, "more messages came than there was credit for")
            partial = Partial(delivery_id, self._parts.connection.partial_quota)
        elif delivery_id is not None and delivery_id != partial.delivery_id:
            text = f"delivery {delivery_id} begins before {partial.delivery_id} is complete"
            raise SessionFailure(conditions.INVALID_FIELD, text, {"invalid-field": "delivery-id"})
        self._partial = partial
        if shape.aborted:
            # An aborted delivery counts as if it had not been sent (part 2 §2.7.5).
            self.drop()
            self.used(1)
            return None
        partial.add(shape, payload, self._parts.connection.terms.settings.max_message_size)
        if shape.more:
            return None
        self.drop()
        return partial

    def drop(self) -> None:
        """Drop an incomplete delivery."""
        if self._partial is not None:
            self._partial.release()
            self._partial = None

    # ------------------------------------------------------------------ credit

    def used(self, count: int) -> None:
        """Count handled deliveries, and renew the credit if half of it is used."""
        self._delivery_count = self._delivery_count + count & MASK
        self.credit -= count
        if self.credit <= self._credit_max >> 1:
            self.grant()

    def grant(self) -> None:
        """Give the client its full credit."""
        self.credit = self._credit_max
        self._parts.windows.say_flow(self._handle, self._delivery_count, self._credit_max)
