"""The base of links that take requests of the client, one transfer after another, and deliver nothing."""

from __future__ import annotations

from abc import ABCMeta, abstractmethod
from typing import TYPE_CHECKING

from batonmq.protocols.amqp10.codec.runs import single
from batonmq.protocols.amqp10.failures import stolen
from batonmq.protocols.amqp10.links.inflow import CREDIT, Inflow

if TYPE_CHECKING:
    from batonmq.broker.model.channels import LinkStatus
    from batonmq.protocols.amqp10.codec.frames import Event
    from batonmq.protocols.amqp10.codec.performatives import Attach, DeliveryState, Flow
    from batonmq.protocols.amqp10.links.partial import Partial
    from batonmq.protocols.amqp10.links.session_parts import SessionParts

__all__ = ["RequestLink"]


class RequestLink(metaclass=ABCMeta):
    """A ``SessionLink`` for requests. All clients of a library give it the same name, so it cannot be stolen."""

    __slots__ = ("_attach", "_inflow", "_parts", "can_be_stolen", "client_sends", "name")

    def __init__(self, parts: SessionParts, handle: int, attach: Attach, credit: int = CREDIT) -> None:
        """``handle`` is ours. ``credit``: how many requests the client may send before it is renewed.

        Raises LinkFailure.
        """
        self._parts = parts
        self._attach = attach
        self._inflow = Inflow(parts, handle, attach, credit)
        self.name = attach.name
        self.client_sends = True
        self.can_be_stolen = False

    @abstractmethod
    def _receive(self, request: Partial) -> None:
        """Handle a complete request. Raises Failure, BrokerError."""

    def attached(self) -> None:
        """Our attach was sent: let the client send."""
        self._inflow.grant()

    def flowed(self, flow: Flow) -> None:
        """The client's flow tells how many requests it has; answer it on request."""
        if flow.echo:
            self._inflow.grant()

    def take(self, events: list[Event], at: int) -> int:
        """Handle one transfer of a request. Raises Failure, BrokerError."""
        _, _, shape, delivery_id, tag, payload = single(events, at)
        request = self._inflow.add(shape, delivery_id, tag, payload)
        if request is not None:
            try:
                self._receive(request)
            finally:
                self._inflow.used(1)
        return at + 1

    def _tell(self, state: DeliveryState, request: Partial) -> None:
        """Send the outcome of a request."""
        self._parts.receipts.tell(state, request.delivery_id, is_settled=self._inflow.is_settled_first)

    def detached(self, *, closed: bool, by_client: bool) -> None:
        """It ends: drop an incomplete request."""
        self._inflow.drop()

    def stolen(self) -> None:
        """Its container has attached a link of this name elsewhere: detach this one."""
        self._parts.links.detach(self, stolen(self.name))

    @abstractmethod
    def status(self) -> LinkStatus:
        """The state of the link, for listings."""

    @abstractmethod
    def answer(self) -> Attach:
        """Our attach."""

    def offer(self) -> None:  # noqa: B027  (a link for requests has nothing to do)
        """Do nothing: no messages are delivered over it."""

    def withdraw(self) -> None:  # noqa: B027
        """Do nothing: no messages are delivered over it."""
