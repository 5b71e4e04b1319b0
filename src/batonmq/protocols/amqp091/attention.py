"""A connection of AMQP 0-9-1 and its channels, as listings show them, found out on demand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from batonmq.broker.model.clients import Introduction
from batonmq.protocols.amqp091.constants import CONNECTION_FORCED
from batonmq.protocols.amqp091.states import CLOSING
from batonmq.protocols.sessions.introductions import bounded_text

if TYPE_CHECKING:
    from batonmq.broker.model.channels import ChannelStatus, SessionStatus
    from batonmq.protocols.amqp091.channels import Channels
    from batonmq.protocols.amqp091.handshake import LogIn
    from batonmq.protocols.amqp091.terms import Terms
    from batonmq.queued import QueuedMessage


class Closable(Protocol):
    """The part of a connection that is needed here."""

    state: int

    def close(self, code: int, detail: str) -> None:
        """connection.close from our side."""


def introduce(log_in: LogIn, terms: Terms) -> Introduction:
    """What the client announced, and the negotiated terms."""
    client = log_in.client
    return Introduction(
        protocol="AMQP 0-9-1",
        product=bounded_text(client.product),
        name=bounded_text(client.name),
        mechanism=log_in.mechanism,
        channel_max=terms.channel_max,
        frame_max=terms.frame_max,
        heartbeat=terms.heartbeat,
        properties=client.properties,
    )


class Attention:
    """An open connection; answers for its ``Client``."""

    __slots__ = ("_channels", "_connection")

    def __init__(self, connection: Closable, channels: Channels) -> None:
        self._connection = connection
        self._channels = channels

    @property
    def channel_count(self) -> int:
        """The number of its channels."""
        return len(self._channels)

    def channel_numbers(self) -> list[int]:
        """The numbers of the channels, in the order in which they were opened."""
        return self._channels.numbers()

    def channel(self, number: int) -> ChannelStatus | None:
        """The state of that channel; None: it is gone."""
        channel = self._channels.find(number)
        return channel.status() if channel is not None else None

    def held(self, most: int) -> list[tuple[int, list[QueuedMessage]]]:
        """The messages that the client holds, at most that many of each channel."""
        return [(channel.number, channel.deliveries.first(most)) for channel in self._channels]

    def sessions(self) -> list[SessionStatus] | None:
        """There are none."""
        return None

    @property
    def is_closing(self) -> bool:
        """Has the broker closed it, and is it waiting for the client's answer?"""
        return self._connection.state >= CLOSING

    def force_close(self, reason: str) -> None:
        """connection.close with 320 CONNECTION_FORCED; the client has some time to answer."""
        self._connection.close(CONNECTION_FORCED, reason)
