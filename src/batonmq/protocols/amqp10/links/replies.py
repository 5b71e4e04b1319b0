"""A link for direct replies: they reach the client without a queue (RabbitMQ's volatile queues)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batonmq.broker import Consumer
from batonmq.broker.routing.direct_replies import NOBODY
from batonmq.protocols.amqp10.links.pushing import PushingLink

if TYPE_CHECKING:
    from batonmq.protocols.amqp10.codec.performatives import Attach
    from batonmq.protocols.amqp10.links.session_parts import SessionParts
    from batonmq.protocols.amqp10.nodes.nodes import OpenedSource
    from batonmq.queued import QueuedMessage


class Replies(Consumer):
    """Takes the replies for one link, without a queue that could keep them."""

    __slots__ = ("_link",)

    def __init__(self, tag: str) -> None:
        super().__init__(NOBODY, tag, no_ack=True)
        self._link: PushingLink | None = None

    def serve(self, link: PushingLink) -> None:
        """Set the link for the replies."""
        self._link = link

    def deliver(self, queued: QueuedMessage) -> bool:
        if self._link is not None:
            self._link.push_message(queued)
        return True

    def has_room(self) -> bool:
        return True

    def cancelled(self) -> None:
        """Do nothing: it has no queue that could be deleted."""


def reply_link(parts: SessionParts, handle: int, attach: Attach, opened: OpenedSource) -> PushingLink:
    """Create the link; its source has the address for replies."""
    desk = parts.connection.operations.vhost.replies
    consumer = Replies(attach.name)
    token = desk.open(consumer)

    def ended() -> None:
        desk.close(token)

    link = PushingLink(parts, handle, attach, opened.at(token), ended, can_be_stolen=True)
    consumer.serve(link)
    return link
