"""A receiving link (§2.6.7, §2.6.12, §2.6.14)."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Final

from batonmq.engines.amqp10.client.channel import distance
from batonmq.engines.amqp10.client.failures import PeerFault
from batonmq.engines.amqp10.client.link import ATTACHED, Link, LinkUser
from batonmq.protocols.amqp10.codec.performatives import Accepted, Attach, Source, Target
from batonmq.protocols.amqp10.conditions import MESSAGE_SIZE_EXCEEDED, NOT_ALLOWED, TRANSFER_LIMIT_EXCEEDED

if TYPE_CHECKING:
    from batonmq.protocols.amqp10.codec.composites import Fields
    from batonmq.protocols.amqp10.codec.performatives import DeliveryState, Flow, Transfer

__all__ = ["ACCEPTED", "Receiver", "ReceiverUser"]

ACCEPTED: Final = Accepted()
_MASK: Final = 0xFFFF_FFFF
MESSAGE_MAX: Final = 1 << 30
"""The largest message that is assembled here, in octets."""


class ReceiverUser(LinkUser):
    """Takes the messages of a link."""

    __slots__ = ()

    @abstractmethod
    def delivered(self, delivery_id: int, payload: bytes, *, settled: bool) -> None:
        """A complete message: its sections. ``settled``: the broker does not wait for an outcome."""

    @abstractmethod
    def changed(self, delivery_id: int, state: DeliveryState | None) -> None:
        """The broker settled a delivery, or reports its state."""

    @abstractmethod
    def drained(self) -> None:
        """Everything available for the credit has arrived, and no credit is left."""


class _Partial:
    """A message with transfers missing."""

    __slots__ = ("_pieces", "delivery_id", "settled", "size")

    def __init__(self, delivery_id: int, piece: bytes, *, settled: bool) -> None:
        self.delivery_id = delivery_id
        self.settled = settled
        self.size = len(piece)
        self._pieces = [piece]

    def add(self, piece: bytes) -> None:
        """Add the payload of the next transfer."""
        self.size += len(piece)
        self._pieces.append(piece)

    def whole(self) -> bytes:
        """The payload so far."""
        return b"".join(self._pieces)


class Receiver(Link):
    """Receives messages as far as ``give_credit`` allows."""

    __slots__ = (
        "_count",
        "_is_draining",
        "_is_owed",
        "_is_stopping",
        "_limit",
        "_link_properties",
        "_partial",
        "_source",
        "_target",
        "_user_of",
        "credit",
        "settle_modes",
    )

    def __init__(
        self,
        name: str,
        source: Source,
        user: ReceiverUser,
        *,
        target: Target | None = None,
        properties: Fields | None = None,
        settle_modes: tuple[int, int] = (0, 0),
    ) -> None:
        """``settle_modes`` are the sender's and the receiver's (§2.8.2, §2.8.3)."""
        super().__init__(name, user)
        self._user_of = user
        self._source = source
        self._target = target or Target()
        self._link_properties = properties
        self.settle_modes = settle_modes
        self._count = 0
        # The highest delivery-count that any credit has allowed: messages for earlier credit may still arrive after it
        # is cut.
        self._limit = 0
        self.credit = 0
        """The credit that is left."""
        self._is_draining = False
        # Was the last drain over with its last message, before the broker said so?
        self._is_owed = False
        self._is_stopping = False
        self._partial: _Partial | None = None

    # ------------------------------------------------------------------ from here

    def give_credit(self, credit: int) -> None:
        """Set the credit."""
        self._allow(credit)
        self._is_draining = False
        self._session.say_flow(self._handle, self._count, credit)

    def drain(self, credit: int) -> None:
        """Set the credit and drain: the user is told when the broker has sent what it has."""
        self._allow(credit)
        self._is_draining = True
        self._session.say_flow(self._handle, self._count, credit, drain=True)

    def _allow(self, credit: int) -> None:
        self.credit = credit
        limit = self._count + credit & _MASK
        if distance(limit, self._limit) > 0:
            self._limit = limit

    def stop(self) -> None:
        """Take back the credit; the user is told when messages in flight have arrived (§2.7.4, echo)."""
        self.credit = 0
        self._is_draining = False
        self._is_stopping = True
        self._session.say_flow(self._handle, self._count, 0, echo=True)

    def settle(self, delivery_id: int, state: DeliveryState, *, settled: bool = True) -> None:
        """Settle a delivery with an outcome."""
        self._session.settle(delivery_id, state, settled=settled)

    def _attach(self, handle: int) -> Attach:
        return Attach(
            name=self.name,
            handle=handle,
            role=True,
            snd_settle_mode=self.settle_modes[0],
            rcv_settle_mode=self.settle_modes[1],
            source=self._source,
            target=self._target,
            properties=self._link_properties,
        )

    # ------------------------------------------------------------------ from the broker

    def _is_refusal(self, attach: Attach) -> bool:
        return attach.source is None

    def _begin(self, attach: Attach) -> None:
        self._count = attach.initial_delivery_count or 0
        self._limit = self._count + max(self.credit, 0) & _MASK

    def _end(self) -> None:
        self._partial = None
        self.credit = 0
        if self._channel is not None:
            self._channel.let_go(self._changed)

    def flowed(self, flow: Flow) -> None:
        if self._is_draining and flow.delivery_count is not None and not flow.link_credit:
            # An answer advances the delivery-count by all credit that is left (§2.6.7).
            is_late, self._is_owed = self._is_owed and flow.delivery_count != self._limit, False
            if not is_late:
                self._count = flow.delivery_count
                self._end_drain()
        elif self._is_stopping and not flow.link_credit:
            self._is_stopping = False
            self._user_of.drained()
        if flow.echo:
            self._session.say_flow(self._handle, self._count, max(self.credit, 0), drain=self._is_draining or None)

    def _end_drain(self) -> None:
        self.credit = 0
        self._limit = self._count
        self._is_draining = False
        self._user_of.drained()

    def room_changed(self) -> None:
        """Do nothing: only dispositions go out, and they need no window."""

    def take(self, shape: Transfer, delivery_id: int | None, payload: bytes) -> None:
        if self._state != ATTACHED:
            # Messages in flight when the link was closed go back with it.
            return
        partial = self._partial
        if partial is None:
            if delivery_id is None:
                raise PeerFault(NOT_ALLOWED, f"a delivery on link '{self.name}' has no delivery-id")
            if self.credit <= 0 and distance(self._limit, self._count) <= 0:
                text = f"the broker sent more messages on link '{self.name}' than there was credit for"
                self._break(TRANSFER_LIMIT_EXCEEDED, text)
                return
            if shape.aborted:
                self._aborted()
            elif shape.more:
                self._partial = _Partial(delivery_id, payload, settled=bool(shape.settled))
            else:
                self._deliver(delivery_id, payload, settled=bool(shape.settled))
            return
        if delivery_id is not None and delivery_id != partial.delivery_id:
            raise PeerFault(NOT_ALLOWED, f"a delivery on link '{self.name}' begins amid another")
        if shape.aborted:
            self._aborted()
            return
        partial.add(payload)
        if partial.size > MESSAGE_MAX:
            raise PeerFault(MESSAGE_SIZE_EXCEEDED, f"a message has more than {MESSAGE_MAX} octets")
        if not shape.more:
            self._partial = None
            settled = partial.settled or bool(shape.settled)
            self._deliver(partial.delivery_id, partial.whole(), settled=settled)

    def _deliver(self, delivery_id: int, payload: bytes, *, settled: bool) -> None:
        self._count = self._count + 1 & _MASK
        self.credit -= 1
        if not settled:
            self._session.hold(delivery_id, self._changed)
        self._user_of.delivered(delivery_id, payload, settled=settled)
        if self._is_draining and self.credit <= 0:
            self._is_owed = True
            self._end_drain()

    def _aborted(self) -> None:
        """An aborted delivery is ignored (§2.7.5), except that the credit it used is given again."""
        self._partial = None
        self._count = self._count + 1 & _MASK
        self.credit -= 1
        if not self._is_draining:
            self.give_credit(max(self.credit + 1, 0))
        elif self.credit <= 0:
            self._is_owed = True
            self._end_drain()

    def _changed(self, delivery_id: int, state: DeliveryState | None) -> None:
        self._user_of.changed(delivery_id, state)
