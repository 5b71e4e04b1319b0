"""A link over which the client sends management requests, as a half of a pair."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from batonmq.protocols.amqp10 import conditions
from batonmq.protocols.amqp10.codec.constants import TRANSFER
from batonmq.protocols.amqp10.codec.performatives import Accepted
from batonmq.protocols.amqp10.failures import LinkFailure, stolen
from batonmq.protocols.amqp10.links.inflow import Inflow

if TYPE_CHECKING:
    from batonmq.broker.model.channels import LinkStatus
    from batonmq.protocols.amqp10.codec.frames import Event
    from batonmq.protocols.amqp10.codec.performatives import Attach, Flow
    from batonmq.protocols.amqp10.links.session_parts import SessionParts
    from batonmq.protocols.amqp10.management import Management

# Requests that a client may send before it hears from us.
CREDIT: Final = 100


class RequestingLink:
    """Has its requests done, and the answers sent over the other half."""

    __slots__ = ("_attach", "_inflow", "_management", "_parts", "can_be_stolen", "client_sends", "name")

    def __init__(self, parts: SessionParts, handle: int, attach: Attach, management: Management) -> None:
        """``handle`` is ours. Raises LinkFailure."""
        self._parts = parts
        self._attach = attach
        self._management = management
        self._inflow = Inflow(parts, handle, attach, CREDIT)
        self.name = attach.name
        self.client_sends = True
        # All clients of a library use the same name for it.
        self.can_be_stolen = False

    def status(self) -> LinkStatus:
        """How it stands, for listings."""
        return self._inflow.status("/management")

    def answer(self) -> Attach:
        """Our attach."""
        attach = self._attach
        return self._inflow.answer(attach.source, attach.target, attach.properties)

    def attached(self) -> None:
        """Our attach was said: the client may send."""
        self._inflow.grant()

    def flowed(self, flow: Flow) -> None:
        """The sender tells how many requests it has; it is answered if it wants to be."""
        if flow.echo:
            self._inflow.grant()

    def take(self, events: list[Event], at: int) -> int:
        """One transfer of a request. Raises LinkFailure, SessionFailure."""
        event = events[at]
        assert event[0] == TRANSFER
        _, _, shape, delivery_id, tag, payload = event
        request = self._inflow.add(shape, delivery_id, tag, payload)
        if request is not None:
            try:
                if self._parts.pairs.find(self.name) is None:
                    text = f"there is no link '{self.name}' over which the client would get the answer"
                    raise LinkFailure(conditions.PRECONDITION_FAILED, text)
                if not request.is_settled:
                    is_settled = self._inflow.is_settled_first
                    self._parts.receipts.tell(Accepted(), request.delivery_id, is_settled=is_settled)
                self._management.handle(request.whole(), self._reply)
            finally:
                self._inflow.used(1)
        return at + 1

    def _reply(self, payload: bytes) -> None:
        """The answer to a request; whoever takes none may have none."""
        link = self._parts.pairs.find(self.name)
        if link is not None:
            link.push(payload)

    def detached(self, *, closed: bool) -> None:
        """It ends."""
        self._inflow.drop()

    def stolen(self) -> None:
        """Its container has attached a link of this name elsewhere."""
        self._parts.links.detach(self, stolen(self.name))

    def offer(self) -> None:
        """Nothing is delivered over it."""

    def withdraw(self) -> None:
        """Nothing is delivered over it."""
