"""What the termini of attached links have come to."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Mapping

    from batonmq.broker import Queue
    from batonmq.broker.selectors.parser import MessageSelector
    from batonmq.fields import FieldValue
    from batonmq.protocols.amqp10.codec.composites import Fields
    from batonmq.protocols.amqp10.codec.performatives import Outcome, Source, Target

__all__ = ["OpenedSource", "OpenedTarget"]


@dataclass(frozen=True, slots=True, eq=False)
class OpenedTarget:
    """Where the messages of a client's sender go."""

    target: Target
    """As our attach has it."""
    exchange: str = ""
    routing_key: str | None = ""
    """None: the subject of each message (RabbitMQ's older addresses)."""
    is_anonymous: bool = False
    """Does each message tell by its property to where it goes (anonterm-v1.0)?"""
    accepts_unroutable: bool = False
    """Is a message accepted that nobody wants, as of a topic without subscribers?"""
    properties: Fields | None = None
    """Of the link, as our attach has them."""
    node: str = ""
    """The queue among the dynamic nodes that the link is counted for."""
    is_creator: bool = False
    """Did the link make its node?"""


@dataclass(frozen=True, slots=True, eq=False)
class OpenedSource:
    """Where the messages for a client's receiver come from."""

    queue: Queue
    source: Source
    """As our attach has it: with what is in force of what was asked for."""
    selector: MessageSelector | None = None
    priority: int = 0
    """Of several consumers with room, those with the highest number are served first."""
    exclusive: bool = False
    arguments: Mapping[str, FieldValue] = field(default_factory=dict)
    """Of the consumer."""
    default_outcome: Outcome | None = None
    """What becomes of a delivery that is settled without an outcome; None: the client said nothing of that."""
    is_browsing: bool = False
    """Is what is ready only shown (distribution mode copy)?"""
    is_reply: bool = False
    """Does it get direct replies? Then there is no queue, and the address is known when the consumer is there."""
    is_deaf: bool = False
    """Does it want nothing of what the connection itself sends?"""
    properties: Fields | None = None
    """Of the link, as our attach has them."""
    node: str = ""
    """The queue among the dynamic nodes that the link is counted for."""
    is_creator: bool = False
    """Did the link make its node?"""
    subscription: str = ""
    """The queue, if it belongs to a subscription that its client can end by closing the link."""
    ends_with_link: bool = False
    """Does its queue go with the link?"""

    def at(self, token: str) -> OpenedSource:
        """With the address under which direct replies reach it: that of a queue with the token as its name."""
        return replace(self, source=replace(self.source, address="/queues/" + quote(token, safe="")))
