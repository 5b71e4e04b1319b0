"""The sessions of one connection, by channel (part 2 §2.5.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batonmq.broker.model.admission import require_channel
from batonmq.errors import NotAllowed
from batonmq.protocols.amqp10 import conditions
from batonmq.protocols.amqp10.begun import BegunSession
from batonmq.protocols.amqp10.codec.performatives import Begin, End
from batonmq.protocols.amqp10.failures import ConnectionFailure

if TYPE_CHECKING:
    from collections.abc import Iterator

    from batonmq.errors import StoreError
    from batonmq.protocols.amqp10.codec.performatives import Performative
    from batonmq.protocols.amqp10.links.open_connection import OpenConnection
    from batonmq.queued import QueuedMessage


class Sessions:
    """The sessions, which only the client begins, so that our side uses the same channels."""

    __slots__ = ("_by_channel",)

    def __init__(self) -> None:
        self._by_channel: dict[int, BegunSession] = {}

    def __iter__(self) -> Iterator[BegunSession]:
        # A copy: an error may end a session during a call to all.
        return iter(list(self._by_channel.values()))

    def __len__(self) -> int:
        return len(self._by_channel)

    def find(self, channel: int) -> BegunSession | None:
        """The session on that channel."""
        return self._by_channel.get(channel)

    def handle(self, channel: int, performative: Performative, connection: OpenConnection) -> None:
        """A performative on a channel, which may begin or end a session. Raises Failure, BrokerError."""
        session = self._by_channel.get(channel)
        if isinstance(performative, Begin):
            self._begin(channel, performative, connection)
        elif session is None:
            raise ConnectionFailure(conditions.NOT_ALLOWED, f"there is no session on channel {channel}")
        elif isinstance(performative, End):
            del self._by_channel[channel]
            if not session.is_ending:
                session.end()
        elif not session.is_ending:
            session.handle(performative)

    def _begin(self, channel: int, begin: Begin, connection: OpenConnection) -> None:
        if channel in self._by_channel:
            raise ConnectionFailure(conditions.NOT_ALLOWED, f"there is a session on channel {channel} already")
        if channel > connection.terms.channel_max:
            text = f"channel {channel} is above the channel-max {connection.terms.channel_max}"
            raise ConnectionFailure(conditions.FRAMING_ERROR, text)
        if begin.remote_channel is not None:
            text = "a begin that answers ours, which was not said"
            raise ConnectionFailure(conditions.INVALID_FIELD, text, {"invalid-field": "remote-channel"})
        try:
            require_channel(connection.link.broker.clients, connection.operations.user)
        except NotAllowed as error:
            raise ConnectionFailure(conditions.RESOURCE_LIMIT_EXCEEDED, str(error)) from None
        self._by_channel[channel] = BegunSession(channel, begin, connection)

    # ------------------------------------------------------------------ what all are told

    def offer(self) -> None:
        """There is room for deliveries again."""
        for session in self:
            session.offer()

    def withdraw(self) -> None:
        """There is no room for deliveries: the client does not read."""
        for session in self:
            session.withdraw()

    def batch_committed(self, batch: int) -> None:
        """All batches of the store up to this number are durable."""
        for session in self:
            session.batch_committed(batch)

    def batch_failed(self, batch: int, error: StoreError) -> None:
        """The batches up to this number that were not committed before are not kept."""
        for session in self:
            session.batch_failed(batch, error)

    def settle_up(self) -> None:
        """Send the outcomes of received deliveries that are known by now."""
        for session in self:
            session.settle_up()

    def release(self) -> None:
        """The connection ends: give back everything that its sessions hold."""
        for session in self:
            session.release()
        self._by_channel.clear()

    # ------------------------------------------------------------------ for requests about what is held

    def find_delivery(self, channel: int, tag: int) -> QueuedMessage | None:
        """The unsettled message with that delivery-id on a channel."""
        found = self._by_channel.get(channel)
        return found.find_delivery(tag) if found is not None else None

    def take_delivery(self, channel: int, tag: int) -> QueuedMessage | None:
        """Take the unsettled message with that delivery-id on a channel, to be settled."""
        found = self._by_channel.get(channel)
        return found.take_delivery(tag) if found is not None else None
