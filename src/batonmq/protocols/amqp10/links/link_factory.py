"""Creates the kind of link that an attach asks for (part 2 §2.7.3)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from batonmq.broker.queues.browsing import Browser
from batonmq.protocols.amqp10 import conditions
from batonmq.protocols.amqp10.codec.performatives import Coordinator
from batonmq.protocols.amqp10.failures import LinkFailure
from batonmq.protocols.amqp10.links.browsing import BrowsingLink
from batonmq.protocols.amqp10.links.coordinating import CoordinatorLink
from batonmq.protocols.amqp10.links.incoming import IncomingLink
from batonmq.protocols.amqp10.links.outgoing import OutgoingLink
from batonmq.protocols.amqp10.links.pushing import PushingLink
from batonmq.protocols.amqp10.links.replies import reply_link
from batonmq.protocols.amqp10.links.requesting import RequestingLink
from batonmq.protocols.amqp10.management import Management

if TYPE_CHECKING:
    from batonmq.protocols.amqp10.codec.performatives import Attach
    from batonmq.protocols.amqp10.links.link_state import SessionLink
    from batonmq.protocols.amqp10.links.session_parts import SessionParts

# The address of the broker's management, on both links of a pair.
MANAGEMENT: Final = "/management"


def make_link(parts: SessionParts, handle: int, attach: Attach) -> SessionLink:
    """Create a link; ``handle`` is ours. Raises LinkFailure, BrokerError, StoreError: it is refused."""
    return _sender(parts, handle, attach) if attach.role else _receiver(parts, handle, attach)


def _receiver(parts: SessionParts, handle: int, attach: Attach) -> SessionLink:
    """A link over which the client sends."""
    target = attach.target
    if target is None:
        text = "a link over which the client sends needs a target"
        raise LinkFailure(conditions.INVALID_FIELD, text, {"invalid-field": "target"})
    if isinstance(target, Coordinator):
        return CoordinatorLink(parts, handle, attach)
    if target.address == MANAGEMENT:
        connection = parts.connection
        management = Management(connection.operations, connection.link.barrier, connection.terms.settings.container_id)
        return RequestingLink(parts, handle, attach, management)
    return IncomingLink(parts, handle, attach, parts.connection.nodes.open_target(attach))


def _sender(parts: SessionParts, handle: int, attach: Attach) -> SessionLink:
    """A link over which the client receives."""
    nodes = parts.connection.nodes
    if attach.source is not None and attach.source.address == MANAGEMENT:
        opened = nodes.management_source(attach)
        pairs = parts.pairs

        def ended() -> None:
            pairs.drop(attach.name)

        link = PushingLink(parts, handle, attach, opened, ended, can_be_stolen=False)
        pairs.add(attach.name, link)
        return link
    opened = nodes.open_source(attach)
    try:
        if opened.is_reply:
            return reply_link(parts, handle, attach, opened)
        if opened.is_browsing:
            return BrowsingLink(parts, handle, attach, opened, Browser(opened.queue, opened.selector))
        return OutgoingLink(parts, handle, attach, opened)
    except BaseException:
        nodes.close(opened, closed=False)
        raise
