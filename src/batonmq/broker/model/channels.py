"""The channels and sessions of a connection for listings, created on demand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


class Counted(Protocol):
    """The messages that went over a connection, or over one of its channels."""

    def listed(self) -> dict[str, int]:
        """The counters by name."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelStatus:
    """A channel of AMQP 0-9-1, or a connection of STOMP, which is one channel."""

    number: int
    counts: Counted
    prefetch: int = 0
    """How many messages a new consumer may hold at once; 0: no limit."""
    shared_prefetch: int = 0
    """How many its consumers may hold together; 0: no limit."""
    consumers: int = 0
    unacknowledged: int = 0
    """Messages that the client holds."""
    unconfirmed: int = 0
    """Published messages that were not confirmed yet."""
    uncommitted: int = 0
    """Messages in open transactions."""
    uncommitted_acks: int = 0
    """Settlements in open transactions."""
    confirms: bool = False
    """Does it use publisher confirms?"""
    is_transactional: bool = False
    is_closing: bool = False
    """Has the broker closed it, and is it waiting for the client's answer?"""


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkStatus:
    """A link of AMQP 1.0."""

    handle: int
    name: str
    address: str
    """The address of the source where the client receives, of the target where it sends; "": none."""
    queue: str = ""
    """The queue that it receives from."""
    credit: int = 0
    """Its credit."""
    delivery_count: int = 0
    max_message_size: int = 0
    """Octets; 0: no limit."""
    settles: str = "mixed"
    """The sender's settle mode: ``settled``, ``unsettled``, or ``mixed``."""
    selector: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionStatus:
    """A session of AMQP 1.0, by the specification's names."""

    number: int
    counts: Counted
    handle_max: int
    next_incoming_id: int
    incoming_window: int
    next_outgoing_id: int
    remote_incoming_window: int
    unsettled: int
    """Deliveries to the client that are not settled."""
    incoming: tuple[LinkStatus, ...]
    """Links over which the client sends."""
    outgoing: tuple[LinkStatus, ...]
    """Links over which it receives."""
