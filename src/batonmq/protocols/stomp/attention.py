"""A connection of STOMP, which is one channel, as listings show it, found out on demand."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Protocol

from batonmq.broker.model.channels import ChannelStatus
from batonmq.broker.model.clients import Introduction
from batonmq.protocols.sessions.introductions import bounded_text
from batonmq.protocols.stomp.channel import CHANNEL

if TYPE_CHECKING:
    from batonmq.broker.model.channels import Counted, SessionStatus
    from batonmq.protocols.stomp.commands import Commands
    from batonmq.protocols.stomp.connecting import LogIn
    from batonmq.protocols.stomp.terms import Terms
    from batonmq.queued import QueuedMessage


class Closable(Protocol):
    """The part of a connection that is needed here."""

    @property
    def is_ending(self) -> bool:
        """Is nothing more taken from the client?"""

    def force_close(self, reason: str) -> None:
        """Close it with an ERROR."""


def introduce(log_in: LogIn, terms: Terms) -> Introduction:
    """What the client announced, and the negotiated terms."""
    return Introduction(
        protocol=f"STOMP {terms.version}",
        name=bounded_text(terms.client_id),
        mechanism="EXTERNAL" if log_in.is_by_certificate else "PLAIN",
        channel_max=1,
        heartbeat=log_in.beat_out,
    )


class Attention:
    """An open connection; answers for its ``Client``."""

    __slots__ = ("_commands", "_connection", "_counts")

    def __init__(self, connection: Closable, commands: Commands, counts: Counted) -> None:
        self._connection = connection
        self._commands = commands
        self._counts = counts

    @property
    def channel_count(self) -> int:
        """The number of channels: one."""
        return 1

    def channel_numbers(self) -> list[int]:
        """The number of its only channel."""
        return [CHANNEL]

    def channel(self, number: int) -> ChannelStatus | None:
        """The state of the channel; None: it has another number."""
        if number != CHANNEL:
            return None
        commands = self._commands
        return ChannelStatus(
            number=CHANNEL,
            counts=self._counts,
            prefetch=commands.subscriptions.prefetch,
            consumers=commands.subscriptions.consumers,
            unacknowledged=commands.subscriptions.unsettled,
            unconfirmed=commands.receipts.waiting,
            uncommitted=commands.transactions.sent,
            uncommitted_acks=commands.transactions.settled,
            is_transactional=commands.transactions.are_open,
            is_closing=self._connection.is_ending,
        )

    def held(self, most: int) -> list[tuple[int, list[QueuedMessage]]]:
        """The messages that the client holds, at most that many of each subscription."""
        return [(CHANNEL, list(islice(each.unsettled.values(), most))) for each in self._commands.subscriptions.held()]

    def sessions(self) -> list[SessionStatus] | None:
        """There are none."""
        return None

    @property
    def is_closing(self) -> bool:
        """Has the broker closed it?"""
        return self._connection.is_ending

    def force_close(self, reason: str) -> None:
        """Close the connection with an ERROR."""
        self._connection.force_close(reason)
