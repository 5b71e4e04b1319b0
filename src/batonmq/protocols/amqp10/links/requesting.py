"""A link over which the client sends management requests, as a half of a pair."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from batonmq.protocols.amqp10 import conditions
from batonmq.protocols.amqp10.codec.performatives import Accepted
from batonmq.protocols.amqp10.failures import LinkFailure
from batonmq.protocols.amqp10.links.request_link import RequestLink

if TYPE_CHECKING:
    from batonmq.broker.model.channels import LinkStatus
    from batonmq.protocols.amqp10.codec.performatives import Attach
    from batonmq.protocols.amqp10.links.partial import Partial
    from batonmq.protocols.amqp10.links.session_parts import SessionParts
    from batonmq.protocols.amqp10.management import Management

# The credit for requests.
CREDIT: Final = 100


class RequestingLink(RequestLink):
    """Passes requests on, and sends the answers over the other half."""

    __slots__ = ("_management",)

    def __init__(self, parts: SessionParts, handle: int, attach: Attach, management: Management) -> None:
        """``handle`` is ours. Raises LinkFailure."""
        super().__init__(parts, handle, attach, CREDIT)
        self._management = management

    def status(self) -> LinkStatus:
        """The state of the link, for listings."""
        return self._inflow.status("/management")

    def answer(self) -> Attach:
        """Our attach."""
        attach = self._attach
        return self._inflow.answer(attach.source, attach.target, attach.properties)

    def _receive(self, request: Partial) -> None:
        if self._parts.pairs.find(self.name) is None:
            text = f"there is no link '{self.name}' over which the client would get the answer"
            raise LinkFailure(conditions.PRECONDITION_FAILED, text)
        if not request.is_settled:
            self._tell(Accepted(), request)
        self._management.handle(request.whole(), self._reply)

    def _reply(self, payload: bytes) -> None:
        """Send the answer to a request; it is dropped if the other half is gone or full."""
        link = self._parts.pairs.find(self.name)
        if link is not None:
            link.push(payload)
