"""The resolved termini of attached links."""

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
    from batonmq.protocols.amqp10.nodes.addresses import Address

__all__ = ["OpenedSource", "OpenedTarget"]


@dataclass(frozen=True, slots=True, eq=False)
class OpenedTarget:
    """The target of a client's sender."""

    target: Target
    """As our attach has it."""
    exchange: str = ""
    routing_key: str | None = ""
    """None: the subject of each message (RabbitMQ's older addresses)."""
    is_anonymous: bool = False
    """Does each message name its address in the property to (anonterm-v1.0)?"""
    address: Address | None = None
    """Its parsed address; None: it is a dynamic node, or each message names its own."""
    arguments: Mapping[str, FieldValue] = field(default_factory=dict)
    """The arguments of a queue that is declared for it."""
    accepts_unroutable: bool = False
    """Are unroutable messages accepted, as for a topic without subscribers?"""
    properties: Fields | None = None
    """Of the link, as our attach has them."""
    node: str = ""
    """The queue among the dynamic nodes that the link is counted for."""
    is_creator: bool = False
    """Did the link make its node?"""


@dataclass(frozen=True, slots=True, eq=False)
class OpenedSource:
    """The source of a client's receiver."""

    queue: Queue
    source: Source
    """As our attach has it: with the requested filters and capabilities that are in force."""
    selector: MessageSelector | None = None
    priority: int = 0
    """The consumer's priority: among those with room, the highest is served first."""
    exclusive: bool = False
    arguments: Mapping[str, FieldValue] = field(default_factory=dict)
    """The arguments of the consumer."""
    default_outcome: Outcome | None = None
    """The outcome of a delivery that is settled without one; None: the client named none."""
    is_browsing: bool = False
    """Are ready messages only shown (distribution mode copy)?"""
    is_reply: bool = False
    """Does it get direct replies? Then there is no queue, and the address is known once there is a consumer."""
    is_deaf: bool = False
    """Does it get no messages from its own connection?"""
    properties: Fields | None = None
    """Of the link, as our attach has them."""
    node: str = ""
    """The queue among the dynamic nodes that the link is counted for."""
    is_creator: bool = False
    """Did the link make its node?"""
    subscription: str = ""
    """The queue, if it belongs to a subscription that its client can end by closing the link."""
    ends_with_link: bool = False
    """Is its queue deleted with the link?"""

    def at(self, token: str) -> OpenedSource:
        """A copy with the address for direct replies: that of a queue with the token as its name."""
        return replace(self, source=replace(self.source, address="/queues/" + quote(token, safe="")))
